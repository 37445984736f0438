//! The file that says how to reach a server that the command line names: the keys of other servers, without a URL.

use std::collections::HashMap;
use std::path::Path;

use bellwether_connect::Endpoint;

use super::fault::Collector;
use super::{ConfigError, build, environment, text_of};

/// The server at `url`, asked as the file at `path` says, with this process' environment for `${NAME}`; without a file
/// nobody logs in and the authorities of the system are trusted.
///
/// # Errors
/// Whatever [`ConfigError`] lists.
pub fn load(path: Option<&Path>, url: &str) -> Result<Endpoint, ConfigError> {
    let Some(path) = path else {
        return parse("", "command line", Path::new("."), &HashMap::new(), url);
    };
    let text = text_of(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    parse(&text, &path.display().to_string(), folder, &environment(), url)
}

fn parse(
    text: &str,
    name: &str,
    folder: &Path,
    variables: &HashMap<String, String>,
    url: &str,
) -> Result<Endpoint, ConfigError> {
    let mut faults = Collector::new(text);
    let endpoint = build::client(text, folder, variables, url, &mut faults);
    match (faults.finish(name), endpoint) {
        (None, Some(endpoint)) => Ok(endpoint),
        (Some(faults), _) => Err(faults.into()),
        (None, None) => unreachable!("what has no fault has an endpoint"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str, url: &str) -> Result<Endpoint, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "secret\n").unwrap();
        parse(text, "http.yml", folder.path(), &HashMap::new(), url)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn it_has_the_keys_of_other_servers() {
        let text = "basic_auth: { username: me, password_file: password }\n\
            tls_config: { insecure_skip_verify: true }\nproxy_url: http://proxy:3128\n";
        let endpoint = endpoint(text, "https://prometheus.example/base/").unwrap();
        let (user, password) = endpoint.basic_auth.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("me", "secret"));
        assert_eq!(endpoint.url, "https://prometheus.example/base");
        assert!(endpoint.tls.insecure_skip_verify && endpoint.proxy_url.is_some());
        let plain = load(None, "http://localhost:9090").unwrap();
        assert_eq!((plain.url.as_str(), plain.basic_auth), ("http://localhost:9090", None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, url, expected) in [
            (
                "basic_auth:\n  username: me\n  password_file: none\n",
                "http://a",
                "basic_auth.password_file",
            ),
            ("basic: {}\n", "http://a", "basic"),
            ("url: http://b\n", "http://a", "url"),
            ("tls_config: { ca_file: password }\n", "https://a", "tls_config.ca_file"),
            ("tls_config: { insecure_skip_verify: true }\n", "http://a", "TLS is set up"),
            ("", "http://me:secret@a", "a user name or password in a URL ends up in logs"),
            ("", "http://a?b=c", "the URL has a query"),
        ] {
            let error = endpoint(text, url).unwrap_err();
            assert!(error.contains(expected) && !error.contains("me:secret"), "{error}");
        }
    }
}
