//! TLS and logging in, from the file to the socket; and that no secret comes out anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::LEARNED;
use crate::poll::{seconds, until};
use crate::secure::{Authority, Client, start};
use crate::server::{self, Server, samples, steady};

const TOKEN: &str = "canary-token-of-a-client";
const PASSWORD: &str = "canary-password";

/// A web configuration with TLS, the user `prometheus` and a token.
fn web_config() -> String {
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    format!(
        "tls_server_config: {{ cert_file: cert.pem, key_file: key.pem }}\n\
         basic_auth_users:\n  prometheus: {hash}\nbearer_tokens_file: tokens\n"
    )
}

fn metric(client: &Client, name: &str) -> f64 {
    let (status, body) = client.send(client.request("GET", "/metrics").bearer_auth(TOKEN)).unwrap();
    assert_eq!(status, 200, "{body}");
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {body}")).parse().unwrap()
}

#[test]
fn every_endpoint_but_the_probes_wants_a_log_in_and_files_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (Authority::new(), Authority::new());
    before.write_identity(dir.path());
    fs::write(dir.path().join("tokens"), format!("{TOKEN}\n")).unwrap();
    fs::write(dir.path().join("web.yml"), web_config()).unwrap();
    fs::write(dir.path().join("bellwether.yml"), "server: { web_config_file: web.yml }\n").unwrap();
    let (process, address) = start(dir.path());
    let client = Client::new(address, &before);

    let (_, index) = client.send(client.request("GET", "/").bearer_auth(TOKEN)).unwrap();
    let lines = index.lines().filter(|line| line.starts_with("GET ") || line.starts_with("POST "));
    let mut asked = 0;
    for line in lines {
        let method = line.split_whitespace().next().unwrap();
        for path in line.split_whitespace().filter(|word| word.starts_with('/')) {
            let path = path.trim_end_matches(')');
            let open = ["/ready", "/-/ready", "/live", "/-/healthy"].contains(&path);
            let (status, _) = client.send(client.request(method, path)).unwrap();
            assert_eq!(status, if open { 200 } else { 401 }, "{method} {path}");
            for request in [
                client.request(method, path).bearer_auth(TOKEN),
                client.request(method, path).basic_auth("prometheus", Some(PASSWORD)),
            ] {
                let (status, _) = client.send(request).unwrap();
                assert!(![401, 404].contains(&status), "{method} {path}: {status}");
            }
            asked += 1;
        }
    }
    assert!(asked >= 10, "{index}");

    // Another certificate, another token, and the old ones are gone, without a signal.
    after.write_identity(dir.path());
    fs::write(dir.path().join("tokens"), "another-canary-token\n").unwrap();
    let client = Client::new(address, &after);
    let renewed = || client.send(client.request("GET", "/").bearer_auth("another-canary-token"));
    until(seconds(30), "the new certificate", || {
        renewed().is_ok_and(|(status, _)| status == 200).then_some(())
    });
    let (status, _) = client.send(client.request("GET", "/").bearer_auth(TOKEN)).unwrap();
    assert_eq!(status, 401);

    // A fault changes nothing but what is said about it.
    fs::write(dir.path().join("tokens"), format!("another-canary-token\n{TOKEN}\n")).unwrap();
    until(seconds(30), "the old token", || {
        let (status, _) = client.send(client.request("GET", "/").bearer_auth(TOKEN)).unwrap();
        (status == 200).then_some(())
    });
    let current = "bellwether_web_config_last_reload_successful";
    assert!(metric(&client, current) > 0.5);
    fs::write(dir.path().join("web.yml"), "basic_auth_users: {}\ntls: canary\n").unwrap();
    until(seconds(30), "the fault", || (metric(&client, current) < 0.5).then_some(()));
    let log = process.log();
    assert!(
        log.contains("web configuration not reloaded") && log.contains("unknown key `tls`"),
        "{log}"
    );
}

#[test]
fn openssl_agrees_on_what_is_spoken() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!(
            "openssl is not installed: rustls alone judges, in crates/connect/tests/it/server_tls.rs"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write_identity(dir.path());
    fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
    let web = "tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n";
    fs::write(dir.path().join("web.yml"), web).unwrap();
    fs::write(dir.path().join("bellwether.yml"), "server: { web_config_file: web.yml }\n").unwrap();
    let (_process, address) = start(dir.path());
    let speaks = |options: &[&str]| {
        let output = Command::new("openssl")
            .current_dir(dir.path())
            .args(["s_client", "-connect", &address.to_string(), "-CAfile", "ca.pem"])
            .args(["-verify_return_error", "-verify_ip", "127.0.0.1"])
            .args(options)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for good in [&["-tls1_2"][..], &["-tls1_3"], &["-alpn", "h2"], &["-alpn", "http/1.1"]] {
        let (success, output) = speaks(good);
        assert!(success && output.contains("Verify return code: 0 (ok)"), "{good:?}: {output}");
    }
    assert!(speaks(&["-alpn", "h2"]).1.contains("ALPN protocol: h2"));
    for bad in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
    ] {
        assert!(!speaks(bad).0, "{bad:?}");
    }
}

/// What `command` says on standard error as it ends with code 1.
fn refused(command: &mut Command) -> String {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + seconds(20);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            None => {
                child.kill().unwrap();
                panic!("it was not refused");
            }
        }
    };
    assert_eq!(status.code(), Some(1));
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    error
}

#[test]
fn an_address_that_others_can_reach_is_refused_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    let run = |listen: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        command.current_dir(dir.path()).args(["run", "--data-dir", "data", "--listen", listen]);
        command
    };
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let error = refused(&mut run(listen));
        for word in [listen, "server.web_config_file", "server.allow_unauthenticated: true"] {
            assert!(error.contains(word), "{word} in {error}");
        }
        assert!(!dir.path().join("data").exists());
    }
    let mut demo = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    refused(demo.args(["demo", "--listen", "0.0.0.0:0"]));

    fs::write(dir.path().join("bellwether.yml"), "server: { allow_unauthenticated: true }\n")
        .unwrap();
    let mut command = run("0.0.0.0:0");
    command.args(["--config", "bellwether.yml"]);
    let mut process = crate::process::Process::start("bellwether", dir.path(), &mut command);
    process.until("its address", |_| server::address(dir.path()));
    let said = "whoever can reach this address may do everything";
    process.until("the warning", |process| process.log().contains(said).then_some(()));
}

/// Nobody listens on any of these ports. The paths of Alertmanagers have no canary: they are shown on purpose, to tell one from
/// another.
const CANARIES: &str = "\
server: { web_config_file: web.yml }
log: { level: trace }
alerting:
  alertmanagers:
    - { url: 'http://127.0.0.1:9/1', basic_auth: { username: u, password: canary1 } }
    - { url: 'http://127.0.0.1:9/2', basic_auth: { username: u, password_file: secret } }
    - { url: 'http://127.0.0.1:9/3', bearer_token: canary3 }
    - { url: 'http://127.0.0.1:9/4', bearer_token_file: secret }
    - url: 'https://127.0.0.1:9/5'
      authorization: { type: A, credentials: canary5 }
      tls_config: { cert_file: cert.pem, key_file: key.pem, server_name: a.invalid }
    - url: 'https://127.0.0.1:9/6'
      authorization: { credentials_file: secret }
      proxy_url: 'http://127.0.0.1:9/canary6'
gauges:
  match: [queue_depth]
  remote_write:
    - { url: 'http://127.0.0.1:9/w?token=canary7', bearer_token: canary8 }
  kafka:
    brokers: ['127.0.0.1:9']
    topic: gauges
    properties: { security.protocol: sasl_plaintext, sasl.mechanism: PLAIN, sasl.username: u, sasl.password: canary13 }
kafka:
  brokers: ['127.0.0.1:9']
  topics: [metrics]
  properties: { security.protocol: sasl_plaintext, sasl.mechanism: PLAIN, sasl.username: u, sasl.password: canary14 }
gateway:
  brokers: ['127.0.0.1:9']
  topic: metrics
  properties: { sasl.password: canary15 }
sinks:
  kafka:
    brokers: ['127.0.0.1:9']
    topic: events
    properties: { security.protocol: sasl_plaintext, sasl.mechanism: PLAIN, sasl.username: u }
    properties_files: { sasl.password: secret }
  webhooks:
    - { url: 'http://127.0.0.1:9/canary9?canary', secret: canary10, severity: info }
    - url: 'https://127.0.0.1:9/canary11'
      secret_file: secret
      severity: info
      basic_auth: { username: u, password: canary12 }
      tls_config: { cert_file: cert.pem, key_file: key.pem }
";

/// A canary in every place that a secret can have; whatever comes out is searched for it.
#[test]
fn no_secret_comes_out_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let key = authority.write_identity(dir.path());
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("tokens", &format!("{TOKEN}\n"));
    write("secret", "canary-of-a-file\n");
    let web = web_config();
    write("web.yml", &web);
    let hash = web.lines().find_map(|line| line.strip_prefix("  prometheus: ")).unwrap();
    write("bellwether.yml", CANARIES);
    let checked = Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .current_dir(dir.path())
        .args(["check", "bellwether.yml"])
        .output()
        .unwrap();
    let mut shown = format!("{checked:?}");
    let (mut process, address) = start(dir.path());
    let client = Client::new(address, &authority);
    // It listens before it has looked what there is to recover.
    until(seconds(20), "readiness", || {
        (client.send(client.request("GET", "/ready")).ok()?.0 == 200).then_some(())
    });

    let mut values = steady(LEARNED);
    values.extend([400.0; 10]);
    let send = client
        .request("POST", "/api/v1/write")
        .basic_auth("prometheus", Some(PASSWORD))
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0")
        .body(samples("queue_depth", &values));
    assert_eq!(client.send(send).unwrap().0, 204);
    let get = |path: &str| client.send(client.request("GET", path).bearer_auth(TOKEN)).unwrap().1;
    // Everybody who is to be told has been tried, and the log says so.
    until(seconds(20), "all to fail", || {
        let health = get("/health?history=1");
        let failing = |name: &str| health.contains(name);
        let log = process.log();
        let attempts = log.matches("retrying").count();
        (failing("webhook_0") && failing("webhook_1") && attempts >= 7).then_some(())
    });
    for path in [
        "/",
        "/api/v1/anomalies?severity=info",
        "/api/v1/series",
        "/api/v1/profile",
        "/api/v1/summary",
        "/metrics",
        "/health",
        "/health?history=1",
        "/ready",
        "/live",
        "/nowhere",
        "/api/v1/series?match=%7B",
        "/-/config",
        "/api/v1/status/config",
    ] {
        shown += &get(path).replace("/nowhere", "");
    }
    // What is tried in vain is nobody's to read either.
    for request in [
        client.request("GET", "/").basic_auth("canary", Some("canary")),
        client.request("GET", "/").bearer_auth("canary"),
        client.request("GET", "/").header("authorization", "canary"),
        client.request("POST", "/-/reload").bearer_auth(TOKEN),
    ] {
        shown += &client.send(request).unwrap().1;
    }
    // Faults in both files, on a reload.
    write("web.yml", &format!("{web}basic_auth_user: {{ a: canary }}\n"));
    write("bellwether.yml", &CANARIES.replace("bearer_token:", "bearer_tokn:"));
    shown += &client.send(client.request("POST", "/-/reload").bearer_auth(TOKEN)).unwrap().1;
    process.until("both faults", |process| {
        let log = process.log();
        (log.contains("web configuration not reloaded")
            && log.contains("did you mean `bearer_token`"))
        .then_some(())
    });
    process.terminate(seconds(10));
    shown += &process.log();
    assert!(
        shown.contains("POST /api/v1/write") && shown.contains("bellwether_build_info"),
        "{shown}"
    );
    let key_line = key.lines().nth(1).unwrap();
    for secret in ["canary", hash, key_line, "Y2FuYXJ5"] {
        if let Some(at) = shown.find(secret) {
            let from = shown[..at].rfind('\n').map_or(0, |at| at + 1);
            let line = shown[from..].lines().next().unwrap_or_default();
            panic!("{secret} in {line}");
        }
    }
}

/// Names and labels of all metrics, without their values.
fn exposed(server: &Server) -> BTreeSet<String> {
    let metrics = server.metrics();
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn nothing_that_a_client_says_becomes_a_label_a_tenant_or_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    server.write(&samples("queue_depth", &steady(LEARNED)));
    server.until_decided(1);
    let before = exposed(&server);
    for index in 0..50 {
        server.write(&samples(&format!("m{index}"), &[1.0]));
        _ = server
            .request(&format!("GET /{index}/../../etc/passwd HTTP/1.0\r\nUser-Agent: {index}\r\n"));
        _ = server.request(&format!("METHOD{index} /metrics HTTP/1.0\r\n"));
        _ = server.request(&format!(
            "POST /api/v1/write HTTP/1.0\r\nX-Scope-OrgID: ../../{index}\r\nContent-Type: {index}/x\r\nContent-Encoding: e{index}\r\n"
        ));
        _ = server.get(&format!("/api/v1/series?match=m{index}%00%22%3Cimg%20src%3Dx%3E"));
    }
    assert_eq!(exposed(&server), before);
    let reserve = dir.path().join("data/reserve");
    until(seconds(20), "the reserve", || reserve.exists().then_some(()));
    let mut files: Vec<_> = fs::read_dir(dir.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["events", "journal", "listen.addr", "lock", "reserve"]);
    assert!(!dir.path().join("etc").exists());
}

#[test]
fn a_web_page_cannot_make_a_browser_change_anything() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "log: { level: info }\n");
    for (head, status) in [
        ("POST /-/reload HTTP/1.0\r\n", 200),
        ("POST /-/reload HTTP/1.0\r\nOrigin: http://evil.example\r\n", 403),
        ("POST /-/reload HTTP/1.0\r\nOrigin: null\r\n", 403),
        ("POST /-/reload HTTP/1.0\r\nX-Forwarded-For: 127.0.0.1\r\n", 403),
        ("POST /-/reload HTTP/1.0\r\nX-Real-IP: 127.0.0.1\r\n", 403),
        ("POST /-/reload HTTP/1.0\r\nVia: 1.1 proxy\r\n", 403),
        ("GET /-/reload HTTP/1.0\r\n", 405),
        // A form cannot send these headers, and what it can send is refused.
        ("POST /api/v1/write HTTP/1.0\r\nContent-Type: text/plain\r\n", 415),
        ("POST /api/v1/write HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n", 415),
        // A script can send a body without a type, and cannot hide where it is from.
        ("POST /api/v1/write HTTP/1.0\r\nOrigin: http://evil.example\r\n", 403),
        ("POST /v1/metrics HTTP/1.0\r\nOrigin: null\r\n", 403),
    ] {
        assert_eq!(server.request(head).status, status, "{head}");
    }
    let answer =
        server.request("OPTIONS /api/v1/summary HTTP/1.0\r\nOrigin: http://evil.example\r\n");
    assert_ne!(answer.status, 200);
}

#[test]
fn a_page_behind_a_rebound_name_reads_nothing() {
    let asked = |path: &str, host: &str| format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(
        dir.path(),
        "server: { external_url: 'https://bellwether.example/prefix' }\n",
    );
    for path in ["/", "/api/v1/series", "/metrics", "/health", "/ready", "/nowhere"] {
        let answer = server.request(&asked(path, "evil.example"));
        assert_eq!(answer.status, 421, "{path}");
        assert!(answer.body.contains("server.allow_unauthenticated"), "{}", answer.body);
    }
    for host in ["localhost", "localhost:2355", "127.0.0.1", "[::1]:2355", "bellwether.example"] {
        assert_eq!(server.request(&asked("/api/v1/series", host)).status, 200, "{host}");
    }
    let refused = "bellwether_http_requests_refused_total{reason=\"wrong_host\"} 6\n";
    assert!(server.metrics().contains(refused), "{}", server.metrics());
    drop(server);

    let server = Server::start(dir.path(), "server: { allow_unauthenticated: true }\n");
    assert_eq!(server.request(&asked("/api/v1/series", "proxied.example")).status, 200);
}
