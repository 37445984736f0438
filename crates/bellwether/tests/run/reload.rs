//! What a reload changes about Alertmanagers while an alert fires.

use std::fs;

use crate::LEARNED;
use crate::alertmanager::Alertmanager;
use crate::poll::seconds;
use crate::server::{Server, samples, steady};

#[test]
fn a_reload_adds_an_alertmanager_that_learns_what_fires_and_reads_secrets_again() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Alertmanager::start(), Alertmanager::start());
    let token = dir.path().join("token");
    fs::write(&token, "old\n").unwrap();
    let target = format!("{{ url: '{}', bearer_token_file: token }}", first.url());
    let one = format!("alerting: {{ alertmanagers: [{target}] }}\n");
    let server = Server::start(dir.path(), &one);
    let mut values = steady(LEARNED);
    values.extend([400.0; 10]);
    server.write(&samples("queue_depth", &values));
    let told = first.next(seconds(20));
    assert_eq!(told.authorization.as_deref(), Some("Bearer old"));

    server.configure(&format!(
        "alerting: {{ alertmanagers: [{target}, {{ url: '{}' }}] }}\n",
        second.url()
    ));
    let answer = server.reload();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!answer.body.contains("restart"), "{}", answer.body);
    let learned = second.next(seconds(20));
    assert_eq!(learned.authorization, None);
    for label in ["alertname", "severity", "job"] {
        assert_eq!(learned.alerts[0]["labels"][label], told.alerts[0]["labels"][label]);
    }
    assert_eq!(learned.alerts[0]["startsAt"], told.alerts[0]["startsAt"]);
    // Links still lead to this server.
    assert_eq!(learned.alerts[0]["generatorURL"], told.alerts[0]["generatorURL"]);

    fs::write(&token, "new\n").unwrap();
    server.signal("HUP");
    // Only what is sent because of the new token can come before the next repetition, a minute later.
    assert_eq!(first.next(seconds(20)).authorization.as_deref(), Some("Bearer new"));
}
