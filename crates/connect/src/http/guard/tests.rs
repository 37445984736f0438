use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, HOST};

use super::*;
use crate::http::options::Rate;

const CLIENT: &str = "10.0.0.1:1000";

fn guard(change: impl FnOnce(&mut SecurityOptions)) -> Guard {
    let mut options = SecurityOptions::default();
    change(&mut options);
    Guard::new(options).unwrap()
}

fn with_token(options: &mut SecurityOptions) {
    options.bearer_tokens = vec![Secret::new("right")];
}

/// The status that a request is refused with, 200 if it passes.
async fn status(guard: &Guard, path: &str, authorization: &str, client: &str) -> u16 {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
    }
    let admitted = guard.admit(path, &headers, client.parse().unwrap()).await;
    admitted.err().map_or(200, |response| response.status().as_u16())
}

#[tokio::test]
async fn by_default_nothing_is_asked() {
    assert_eq!(status(&guard(|_| {}), "/", "", CLIENT).await, 200);
}

#[tokio::test]
async fn only_the_paths_that_are_open_need_no_token() {
    let guard = guard(with_token);
    for (path, expected) in [
        ("/live", 200),
        ("/-/ready", 200),
        ("/", 401),
        ("/health", 401),
        ("/metrics", 401),
        ("/live/", 401),
        ("/live/../metrics", 401),
        ("/LIVE", 401),
        ("//live", 401),
    ] {
        assert_eq!(status(&guard, path, "", CLIENT).await, expected, "{path}");
        assert_eq!(status(&guard, path, "Bearer right", CLIENT).await, 200, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_guesses_is_made_to_wait_and_nobody_else_is() {
    let guard = guard(|options| {
        with_token(options);
        options.failures = Rate { burst: 3, interval: Duration::from_hours(1) };
    });
    for _ in 0..3 {
        assert_eq!(status(&guard, "/", "Bearer wrong", CLIENT).await, 401);
    }
    // From then on not even the right one helps: it may have been guessed.
    assert_eq!(status(&guard, "/", "Bearer right", CLIENT).await, 503);
    assert_eq!(status(&guard, "/live", "", CLIENT).await, 200);
    assert_eq!(status(&guard, "/", "Bearer right", "10.0.0.2:1").await, 200);
    let stats = guard.stats();
    let refused = |index: usize| stats.refused[index].load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((refused(1), refused(2)), (3, 1));
}

#[tokio::test]
async fn who_guesses_and_goes_away_has_guessed_and_who_is_right_has_not() {
    // Dear enough not to be checked before anybody looks.
    let hash = Secret::new(bcrypt::hash("secret", 9).unwrap());
    let guard = guard(|options| {
        options.users.insert("user".to_owned(), hash);
        options.failures = Rate { burst: 1, interval: Duration::from_hours(1) };
    });
    // user:secret
    assert_eq!(status(&guard, "/", "Basic dXNlcjpzZWNyZXQ=", CLIENT).await, 200);
    // user:wrong
    let mut guess = Box::pin(status(&guard, "/", "Basic dXNlcjp3cm9uZw==", CLIENT));
    let begun = std::future::poll_fn(|context| {
        assert!(guess.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    });
    begun.await;
    drop(guess);
    assert_eq!(status(&guard, "/", "Basic dXNlcjp3cm9uZw==", CLIENT).await, 503);
}

#[tokio::test]
async fn coming_without_credentials_is_not_a_guess() {
    let guard = guard(|options| {
        with_token(options);
        options.failures = Rate { burst: 1, interval: Duration::from_hours(1) };
    });
    for _ in 0..3 {
        assert_eq!(status(&guard, "/", "", CLIENT).await, 401);
    }
    assert_eq!(status(&guard, "/", "Bearer right", CLIENT).await, 200);
}

#[tokio::test]
async fn beyond_the_rate_requests_wait_but_probes_do_not() {
    let guard = guard(|options| {
        options.rate = Some(Rate { burst: 2, interval: Duration::from_hours(1) });
    });
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(status(&guard, "/", "", CLIENT).await);
        assert_eq!(status(&guard, "/ready", "", CLIENT).await, 200);
    }
    assert_eq!(answers, [200, 200, 503]);
}

#[tokio::test]
async fn refusals_say_how_to_log_in_or_when_to_come_back() {
    let guard = guard(|options| {
        with_token(options);
        let hash = bcrypt::hash("secret", 4).unwrap();
        options.users.insert("user".to_owned(), Secret::new(hash));
        options.failures = Rate { burst: 1, interval: Duration::from_hours(1) };
    });
    let mut headers = HeaderMap::new();
    let refusal = guard.admit("/", &headers, CLIENT.parse().unwrap()).await.unwrap_err();
    let schemes: Vec<_> = refusal.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(schemes.len(), 2, "{schemes:?}");
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic dXNlcjp3cm9uZw=="));
    let refusal = guard.admit("/", &headers, CLIENT.parse().unwrap()).await.unwrap_err();
    assert_eq!(refusal.status(), 401);
    let refusal = guard.admit("/", &headers, CLIENT.parse().unwrap()).await.unwrap_err();
    assert_eq!(
        (refusal.status().as_u16(), &refusal.headers()[RETRY_AFTER]),
        (503, &"6".parse().unwrap())
    );
}

#[tokio::test]
async fn new_rules_hold_at_once_and_unusable_ones_change_nothing() {
    let guard = guard(|_| {});
    let mut options = SecurityOptions::default();
    with_token(&mut options);
    guard.replace(options.clone()).unwrap();
    assert_eq!(status(&guard, "/", "", CLIENT).await, 401);
    let bad = Secret::new("no hash");
    let open = SecurityOptions {
        users: BTreeMap::from([("a".to_owned(), bad)]),
        ..SecurityOptions::default()
    };
    let error = guard.replace(open).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("no hash"), "{error:?}");
    assert_eq!(guard.options(), options);
}

#[test]
fn answers_carry_the_headers_that_browsers_obey() {
    let guard = guard(|options| {
        options.headers = vec![("X-Frame-Options".to_owned(), "SAMEORIGIN".to_owned())];
    });
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("its own"));
    guard.finish(&mut headers);
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(headers[X_FRAME_OPTIONS], "SAMEORIGIN");
    assert_eq!(headers[CONTENT_SECURITY_POLICY], "its own");
    for bad in [("a b", "c"), ("a", "b\nc")] {
        let headers = vec![(bad.0.to_owned(), bad.1.to_owned())];
        let options = SecurityOptions { headers, ..SecurityOptions::default() };
        assert!(matches!(Guard::new(options), Err(SecurityError::Header { .. })));
    }
}

#[tokio::test]
async fn a_name_that_is_not_its_own_is_refused_as_long_as_nobody_has_to_log_in() {
    let evil = HeaderMap::from_iter([(HOST, "evil.example:2355".parse().unwrap())]);
    let refused = |guard: &Guard| {
        guard.refuse_name(&"/".parse().unwrap(), &evil).map(|answer| answer.status().as_u16())
    };
    assert_eq!(refused(&guard(|_| {})), None, "unless it is told which names are");
    let called = |names: &[String]| guard(|_| {}).called(names);
    assert_eq!(refused(&called(&["evil.example".to_owned()])), None);
    let guard = called(&["good.example".to_owned()]);
    assert_eq!(refused(&guard), Some(421));
    let mut options = SecurityOptions::default();
    with_token(&mut options);
    guard.replace(options).unwrap();
    assert_eq!(refused(&guard), None);
    assert_eq!(guard.stats().refused[Refusal::WrongHost as usize].load(Ordering::Relaxed), 1);
}
