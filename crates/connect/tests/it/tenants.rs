//! Tenants at the receiver: whose a request is, and what becomes of others while one sends too much.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::HeaderName;
use bellwether_connect::Secret;
use bellwether_connect::http::{Guard, SecurityOptions};
use bellwether_connect::source::receiver::{TenantAccess, TenantFigures, TenantOptions};
use bellwether_engine::{Outcome, RejectReason};
use bellwether_wire::remote_write::Limits;

use crate::remote_write::{Behaviour, Fixture, body, header};
use crate::support::{PATIENCE, until};

const HEADER: &str = "x-scope-orgid";

fn options(default: Option<&str>, requests_max: usize) -> TenantOptions {
    let access = |users: &[&str]| TenantAccess {
        users: users.iter().map(|&user| user.to_owned()).collect(),
        requests_max,
        share_percent: 50,
    };
    let all = [("bank", access(&[])), ("shop", access(&["alice"]))];
    TenantOptions {
        header: HeaderName::from_static(HEADER),
        default: default.map(Arc::from),
        tenants: all.into_iter().map(|(name, access)| (name.into(), access)).collect(),
    }
}

/// A tenant without users besides `bank`.
fn open_options(requests_max: usize) -> TenantOptions {
    let mut options = options(None, requests_max);
    let shop = options.tenants.get_mut("shop").unwrap();
    shop.users.clear();
    options
}

fn figures(fixture: &Fixture, tenant: &str) -> TenantFigures {
    fixture.receiver.tenants().into_iter().find(|own| &*own.name == tenant).unwrap()
}

#[tokio::test]
async fn without_tenants_the_header_says_nothing() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    for name in ["bank", "../x", ""] {
        let answer = fixture.post(body(1)).header(HEADER, name).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
    assert!(fixture.ingest.requests.lock().iter().all(|request| request.tenant.is_none()));
    assert!(fixture.receiver.tenants().is_empty());
}

#[tokio::test]
async fn the_header_names_a_tenant_of_the_list_or_the_request_is_403() {
    let fixture = Fixture::start(Behaviour::Accept, Limits::default()).await;
    fixture.receiver.tell_apart(Some(open_options(9)));
    let named = |name: &str| fixture.post(body(1)).header(HEADER, name).send();
    assert_eq!(named("bank").await.unwrap().status(), 204);
    let mut texts = Vec::new();
    for answer in [named("nobody").await, named("..").await, fixture.post(body(1)).send().await] {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 403);
        texts.push(answer.text().await.unwrap());
    }
    assert_eq!(
        texts,
        [
            "you may not write as the tenant of x-scope-orgid\n",
            "header x-scope-orgid names no tenant\n",
            "header x-scope-orgid is missing: it names the tenant\n",
        ]
    );
    let received = fixture.ingest.requests.lock();
    let tenants: Vec<_> = received.iter().map(|request| request.tenant.as_deref()).collect();
    assert_eq!(tenants, [Some("bank")]);
    let refused = &fixture.receiver.stats().tenants_refused;
    assert_eq!(refused.each_ref().map(|count| count.load(Ordering::Relaxed)), [1, 1, 1]);
    assert_eq!(fixture.requests_by_status(), [(204, 1), (403, 3)]);
}

#[tokio::test]
async fn whoever_logs_in_writes_as_their_own_tenants_only() {
    let hash = || Secret::new(bcrypt::hash("secret", 4).unwrap());
    let users = ["alice", "bob"].map(|user| (user.to_owned(), hash()));
    let bearer_tokens = vec![Secret::new("a-token")];
    let security = SecurityOptions {
        users: BTreeMap::from(users),
        bearer_tokens,
        ..SecurityOptions::default()
    };
    let guard = Arc::new(Guard::new(security).unwrap());
    let fixture = Fixture::guarded(Behaviour::Accept, Limits::default(), guard).await;
    fixture.receiver.tell_apart(Some(options(Some("shop"), 9)));
    let post = || fixture.post(body(1));
    for (request, expected) in [
        (post().basic_auth("alice", Some("secret")).header(HEADER, "shop"), 204),
        (post().basic_auth("alice", Some("secret")), 204),
        (post().basic_auth("bob", Some("secret")).header(HEADER, "bank"), 204),
        (post().basic_auth("bob", Some("secret")).header(HEADER, "shop"), 403),
        (post().basic_auth("bob", Some("secret")), 403),
        (post().bearer_auth("a-token").header(HEADER, "shop"), 403),
        (post().bearer_auth("a-token").header(HEADER, "bank"), 204),
        (post().basic_auth("alice", Some("wrong")).header(HEADER, "shop"), 401),
        (post().header(HEADER, "bank"), 401),
    ] {
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn who_has_their_share_of_requests_is_asked_to_come_back_and_others_go_on() {
    let fixture = Fixture::start(Behaviour::KeepReply, Limits::default()).await;
    fixture.receiver.tell_apart(Some(open_options(2)));
    let send = |tenant| {
        tokio::spawn(fixture.post(body(1)).header(HEADER, tenant).timeout(PATIENCE).send())
    };
    let count = || fixture.ingest.requests.lock().len();
    let waiting: Vec<_> = (0..2).map(|_| send("bank")).collect();
    until("two of the bank wait", || count() == 2).await;
    let answer = send("bank").await.unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    assert!(header(&answer, "retry-after").is_some());
    let other = send("shop");
    until("the shop has come in", || count() == 3).await;
    let bank = figures(&fixture, "bank");
    assert_eq!((bank.requests, bank.requests_refused), (2, 1));

    let replies = std::mem::take(&mut *fixture.ingest.replies.lock());
    for reply in replies {
        let mut outcome = Outcome { accepted_samples: 1, ..Outcome::default() };
        outcome.reject(RejectReason::TenantLimit, 2, String::new);
        reply(Ok(outcome));
    }
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 400);
    }
    other.await.unwrap().unwrap();
    let bank = figures(&fixture, "bank");
    assert_eq!((bank.requests, bank.samples_accepted, bank.samples_rejected), (0, 2, 4));
    let next = send("bank");
    until("there is room again", || count() == 4).await;
    next.abort();
}

#[tokio::test]
async fn the_memory_of_one_tenant_is_bounded_and_that_of_others_is_there() {
    // All together have memory for four requests of the largest size, one tenant for two.
    let limits = Limits { body_bytes_max: 2_000, decoded_bytes_max: 3_000, ..Limits::default() };
    let decoded = |series: usize| bellwether_wire::remote_write::decompress(&body(series), &limits);
    let largest = (1..200).rev().find(|&series| decoded(series).is_ok()).unwrap();
    let fixture = Fixture::start(Behaviour::KeepReply, limits.clone()).await;
    fixture.receiver.tell_apart(Some(open_options(9)));
    let send = |tenant| {
        tokio::spawn(fixture.post(body(largest)).header(HEADER, tenant).timeout(PATIENCE).send())
    };
    let count = || fixture.ingest.requests.lock().len();
    let mut waiting = Vec::new();
    let refused = loop {
        let taken = count();
        let request = send("bank");
        until("it is taken or refused", || count() > taken || request.is_finished()).await;
        if count() == taken {
            break request.await.unwrap().unwrap();
        }
        waiting.push(request);
    };
    assert_eq!(refused.status(), 503);
    assert!((1..5).contains(&waiting.len()), "{}", waiting.len());
    let taken = count();
    let other = send("shop");
    until("the shop has come in", || count() == taken + 1).await;
    waiting.push(other);
    fixture.ingest.replies.lock().clear();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 503);
    }
    assert_eq!(figures(&fixture, "bank").requests_refused, 1);
}
