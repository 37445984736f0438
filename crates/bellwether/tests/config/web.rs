//! The web configuration files under `fixtures/config/web`, and what keys about TLS, log-in and proxies become.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bellwether::config::web::{self, WebError};
use bellwether::config::{Config, web_json_schema, web_key_paths};
use bellwether_connect::http::{Guard, SecurityOptions};

use super::{as_json, assert_golden, files, good, paths, root, text, token_of};

fn web_file(name: &str) -> PathBuf {
    root().join("fixtures/config/web/good").join(name)
}

#[test]
fn good_web_files_are_taken_and_fit_the_schema() {
    let validator = jsonschema::validator_for(&web_json_schema()).unwrap();
    for path in files("web/good") {
        let options =
            web::load(&path).unwrap_or_else(|error| panic!("{}:\n{error}", path.display()));
        assert!(!format!("{options:?}").contains("not-a-real"), "{options:?}");
        Guard::new(options).unwrap();
        let errors: Vec<_> =
            validator.iter_errors(&as_json(&path)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

#[test]
fn bad_web_files_are_refused_with_the_report_beside_them() {
    for path in files("web/bad") {
        let Err(WebError::Invalid(faults)) = web::load(&path) else { panic!("{}", path.display()) };
        for shown in [faults.to_string(), format!("{faults:?}")] {
            assert!(!shown.contains("hunter"), "{}:\n{shown}", path.display());
        }
        assert_golden(&path.with_extension("txt"), &format!("{faults}\n"));
    }
}

#[test]
fn the_web_schema_in_the_repository_is_current() {
    assert_golden(
        &root().join("docs/web-config.schema.json"),
        &format!("{:#}\n", web_json_schema()),
    );
}

#[test]
fn the_page_names_every_key_of_the_web_file_and_so_do_the_good_files() {
    let page = fs::read_to_string(root().join("docs/web-configuration.md")).unwrap();
    let mut named = Vec::new();
    for name in ["full.yml", "inline.yml"] {
        paths(&as_json(&web_file(name)), "", &mut named);
    }
    for key in web_key_paths() {
        let last = key.rsplit('.').next().unwrap();
        let is_named = [&key, last].iter().any(|name| page.contains(&format!("`{name}`")));
        // A section is named by its keys.
        assert!(is_named || page.contains(&format!("`{key}.")), "{key}");
        assert!(named.contains(&key), "{key}");
    }
}

/// All Rust code under `folder`.
fn code(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            code(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_page_of_threats_names_all_of_them_and_only_tests_and_files_that_exist() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    for number in 1..=37 {
        assert!(page.contains(&format!("\n| T{number} |")), "T{number}");
    }
    let mut all = String::new();
    code(&root().join("crates"), &mut all);
    for name in page.split('`').skip(1).step_by(2) {
        let is_test = name.matches('_').count() >= 3 && !name.contains(['/', '.']);
        let extension = Path::new(name).extension();
        let is_path = name.contains('/') && extension.is_some_and(|extension| extension == "rs");
        assert!(!is_test || all.contains(&format!("fn {name}(")), "{name}");
        assert!(!is_path || root().join("crates").join(name).exists(), "{name}");
    }
}

#[test]
fn an_empty_web_file_is_as_good_as_none() {
    let empty = web::load(&web_file("empty.yml")).unwrap();
    assert_eq!(empty, SecurityOptions::default());
    assert!(!empty.authenticates());
}

#[test]
fn the_keys_of_a_web_file_become_options() {
    let options = web::load(&web_file("full.yml")).unwrap();
    let default = SecurityOptions::default();
    assert!(options.authenticates());
    assert_eq!((options.failures, options.rate), (default.failures, None));
    assert_eq!(options.open_paths, default.open_paths);
    assert_eq!(options.users.keys().collect::<Vec<_>>(), ["prometheus"]);
    assert_eq!(options.bearer_tokens.len(), 2);
    assert_eq!(options.bearer_tokens[1].expose(), "not-a-real-token-of-grafana");
    let client_auth = options.tls.unwrap().client_auth.unwrap();
    assert_eq!(client_auth.allowed_sans.len(), 3);
    assert_eq!(options.headers.len(), 5);
    let rate = web::load(&web_file("rate.yml")).unwrap();
    assert_eq!(
        rate.rate.map(|rate| (rate.burst, rate.interval)),
        Some((1000, Duration::from_millis(10)))
    );
    assert!(rate.open_paths.is_empty());
}

#[test]
fn an_address_that_others_can_reach_wants_a_log_in_or_a_word() {
    let server =
        |listen: &str, more: &str| text(&format!("server: {{ listen: '{listen}'{more} }}"));
    for local in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        server(local, "").unwrap();
    }
    for public in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[fe80::1]:1", "[::ffff:10.0.0.1]:1"] {
        let faults = server(public, "").unwrap_err();
        assert_eq!(faults.iter().next().unwrap().field, "server.listen", "{faults}");
        server(public, ", allow_unauthenticated: true").unwrap();
    }
    assert!(good("server.yml").security.authenticates());
}

#[test]
fn ways_to_servers_become_endpoints() {
    let Config { alertmanagers, gauges, sinks, .. } = good("endpoints.yml");
    let endpoint = &alertmanagers.targets[0];
    assert_eq!(token_of(endpoint), "not-a-real-token");
    assert_eq!(endpoint.tls.server_name.as_deref(), Some("alertmanager.example"));
    assert!(endpoint.tls.ca_pem.is_some() && endpoint.tls.identity.is_some());
    assert!(!endpoint.tls.insecure_skip_verify && gauges.targets[0].tls.insecure_skip_verify);
    assert_eq!(gauges.targets[0].authorization.as_ref().unwrap().scheme, "ApiKey");
    assert_eq!(sinks.webhooks[1].endpoint.proxy_url.as_deref(), Some("https://proxy:3129"));
}
