//! How to reach a server that the command line names.

use std::collections::HashMap;
use std::path::Path;

use bellwether_connect::Endpoint;

use super::endpoint::{Kind, Written};
use super::{Builder, document};
use crate::config::fault::Collector;
use crate::config::raw::RawClient;
use crate::config::{schema, shape, url};

const SERVER: Kind =
    Kind { noun: "server", example: "http://prometheus:9090", url: url::base, identity: |url| url };

/// The server at `server_url`, asked as `text` says, or `None` and why in `faults`.
pub(in crate::config) fn client(
    text: &str,
    folder: &Path,
    variables: &HashMap<String, String>,
    server_url: &str,
    faults: &mut Collector<'_>,
) -> Option<Endpoint> {
    let node = document(text, variables.clone(), faults)?;
    faults.understand(&node);
    let json = shape::fit(&schema::client_schema(), &node, faults);
    let Ok(raw) = serde_json::from_value::<RawClient>(json) else {
        // The schema is made from `RawClient`, so what fits one fits the other.
        faults.value("", "the file does not fit the schema", "compare it with docs/replay.md");
        return None;
    };
    let mut builder = Builder { faults, folder, variables, web_faults: &mut None };
    builder.endpoint("", SERVER, &Written::client(server_url, &raw), &[])
}
