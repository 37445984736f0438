//! Alertmanagers, and how often they are told.

use bellwether_connect::sink::alertmanager::AlertmanagerOptions;

use super::Builder;
use super::endpoint::Kind;
use crate::config::raw::RawAlerting;
use crate::config::url;

const ALERTMANAGER: Kind = Kind {
    noun: "Alertmanager",
    example: "http://alertmanager-0:9093",
    url: url::base,
    identity: |url| url,
};

impl Builder<'_, '_> {
    pub(super) fn alertmanagers(&mut self, raw: &RawAlerting) -> AlertmanagerOptions {
        let field = "alerting.alertmanagers";
        AlertmanagerOptions {
            targets: self.endpoints(field, ALERTMANAGER, &raw.alertmanagers),
            resend_ms: raw.resend_interval.ms(),
            alerts_max: raw.alerts_max,
            resolved_keep_ms: raw.resolved_keep.ms(),
            ..AlertmanagerOptions::default()
        }
    }
}
