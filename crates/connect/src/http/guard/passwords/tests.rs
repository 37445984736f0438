use std::sync::atomic::AtomicBool;

use super::*;

/// Of "secret", at the least cost there is.
fn hash_of(password: &str, cost: u32) -> Secret {
    Secret::new(bcrypt::hash(password, cost).unwrap())
}

fn users(pairs: &[(&str, &Secret)]) -> SecurityOptions {
    let users = pairs.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).clone())).collect();
    SecurityOptions { users, password_checks_max: WAITING_MAX, ..SecurityOptions::default() }
}

/// Log-ins that wait in these tests.
const WAITING_MAX: usize = 3;

async fn check(passwords: &Passwords, users: &SecurityOptions, who: [&str; 2]) -> Checked {
    let [user, password] = who;
    passwords.check(users, user.to_owned(), Secret::new(password), || true).await
}

#[tokio::test]
async fn the_right_password_logs_in_and_no_other() {
    let passwords = Passwords::new().unwrap();
    let users = users(&[("a", &hash_of("secret", 4)), ("b", &hash_of("other", 4))]);
    for right in [Checked::Right, Checked::Known] {
        assert_eq!(check(&passwords, &users, ["a", "secret"]).await, right);
        for wrong in [["a", "Secret"], ["a", ""], ["a", "other"], ["b", "secret"], ["c", "secret"]]
        {
            assert_eq!(check(&passwords, &users, wrong).await, Checked::Wrong, "{wrong:?}");
        }
    }
    assert_eq!(passwords.known.lock().len(), 1);
    assert_eq!(
        check(&passwords, &SecurityOptions::default(), ["a", "secret"]).await,
        Checked::Wrong
    );
}

#[tokio::test]
async fn a_known_password_takes_no_turn_and_an_unknown_user_does() {
    let passwords = Passwords::new().unwrap();
    let users = users(&[("a", &hash_of("secret", 4))]);
    assert_eq!(check(&passwords, &users, ["a", "secret"]).await, Checked::Right);
    // Nobody may try: whoever gets that answer has come as far as the bcrypt.
    let barred = |user: &str, password: &str| {
        passwords.check(&users, user.to_owned(), Secret::new(password), || false)
    };
    assert_eq!(barred("a", "secret").await, Checked::Known);
    assert_eq!(barred("a", "wrong").await, Checked::NotTried);
    assert_eq!(barred("nobody", "secret").await, Checked::NotTried);
}

#[tokio::test]
async fn an_unknown_user_gets_in_by_nobodys_password_and_is_not_remembered() {
    let passwords = Passwords::new().unwrap();
    let users = users(&[("a", &hash_of("secret", 4))]);
    assert_eq!(check(&passwords, &users, ["nobody", "secret"]).await, Checked::Wrong);
    assert!(passwords.known.lock().is_empty());
}

#[tokio::test]
async fn a_changed_password_is_asked_for_at_once() {
    let passwords = Passwords::new().unwrap();
    let before = users(&[("a", &hash_of("secret", 4))]);
    assert_eq!(check(&passwords, &before, ["a", "secret"]).await, Checked::Right);
    let after = users(&[("a", &hash_of("new", 4))]);
    assert_eq!(check(&passwords, &after, ["a", "secret"]).await, Checked::Wrong);
    assert_eq!(check(&passwords, &after, ["a", "new"]).await, Checked::Right);
}

/// CVE-2022-46146: with a separator between the parts, whoever knows a hash could make up a user name and a
/// password that give the key of a log-in that is known.
#[test]
fn moving_a_boundary_between_parts_gives_another_key() {
    let passwords = Passwords::new().unwrap();
    let joined = ["ab", "c", ""];
    for other in [["a", "bc", ""], ["a", "b", "c"], ["", "abc", ""], ["abc", "", ""]] {
        assert_ne!(passwords.tag(&joined), passwords.tag(&other), "{other:?}");
    }
    assert_eq!(passwords.tag(&joined), passwords.tag(&joined));
    assert_ne!(passwords.tag(&joined), Passwords::new().unwrap().tag(&joined));
}

#[tokio::test]
async fn what_bcrypt_cuts_off_must_be_right_too() {
    let long = "x".repeat(PASSWORD_BYTES_MAX);
    let passwords = Passwords::new().unwrap();
    let users = users(&[("a", &hash_of(&long, 4))]);
    assert_eq!(check(&passwords, &users, ["a", &long]).await, Checked::Right);
    assert_eq!(check(&passwords, &users, ["a", &format!("{long}y")]).await, Checked::Wrong);
}

#[tokio::test]
async fn one_is_checked_at_a_time_and_not_too_many_wait() {
    let passwords = Arc::new(Passwords::new().unwrap());
    let users = users(&[("a", &hash_of("secret", 4))]);
    let turn = passwords.turn.acquire().await.unwrap();
    let tried = Arc::new(AtomicBool::new(false));
    let mut waiting: Vec<_> = (0..WAITING_MAX)
        .map(|index| {
            let (passwords, users) = (Arc::clone(&passwords), users.clone());
            let tried = Arc::clone(&tried);
            tokio::spawn(async move {
                let may_try = || {
                    tried.store(true, Ordering::Relaxed);
                    false
                };
                passwords
                    .check(&users, "a".to_owned(), Secret::new(index.to_string()), may_try)
                    .await
            })
        })
        .collect();
    while passwords.waiting.load(Ordering::Relaxed) < WAITING_MAX {
        tokio::task::yield_now().await;
    }
    assert_eq!(check(&passwords, &users, ["a", "one too many"]).await, Checked::Busy);
    assert!(!tried.load(Ordering::Relaxed), "somebody was checked while it was another's turn");
    drop(turn);
    for task in waiting.drain(..) {
        assert_eq!(task.await.unwrap(), Checked::NotTried);
    }
    assert_eq!(passwords.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn who_goes_away_keeps_the_turn_until_the_check_has_ended() {
    let passwords = Passwords::new().unwrap();
    let users = users(&[("a", &hash_of("secret", 12))]);
    let mut checking = Box::pin(check(&passwords, &users, ["a", "wrong"]));
    let begun = std::future::poll_fn(|context| {
        assert!(checking.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    });
    begun.await;
    drop(checking);
    assert_eq!(passwords.turn.available_permits(), 0);
    _ = passwords.turn.acquire().await.unwrap();
}

#[tokio::test]
async fn as_many_are_remembered_as_there_are_users() {
    let passwords = Passwords::new().unwrap();
    let names: Vec<String> = (0..150).map(|index| index.to_string()).collect();
    let hash = hash_of("secret", 4);
    let users = users(&names.iter().map(|name| (&**name, &hash)).collect::<Vec<_>>());
    for expected in [Checked::Right, Checked::Known] {
        for name in &names {
            assert_eq!(check(&passwords, &users, [name, "secret"]).await, expected, "{name}");
        }
    }
    passwords.learn(passwords.tag(&["another"]), names.len());
    assert_eq!(passwords.known.lock().len(), names.len());
    assert_eq!(check(&passwords, &users, ["0", "secret"]).await, Checked::Right, "the oldest went");
}

#[test]
fn hashes_are_checked_when_they_are_read() {
    // Of the test vectors of bcrypt.
    let good = "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e";
    assert_eq!(check_hash(&Secret::new(good)), Ok(()));
    let bad = [
        "",
        "secret",
        "$2y$",
        "$1$salt$hash",
        &good.replace("$2y$", "$2x$"),
        &good.replace("$05$", "$03$"),
        &good.replace("$05$", "$16$"),
        &good.replace("$05$", "$é$"),
        &good[..59],
        &format!("{good}a"),
        // RUSTSEC-2026-0199: such a hash made older versions of the crate panic.
        "$2y$05$£££££££££££££££££££££££££££",
    ];
    for bad in bad {
        assert!(check_hash(&Secret::new(bad)).is_err(), "{bad}");
    }
}
