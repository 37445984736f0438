//! The page: what it says, and that nothing gets out of it.

use bellwether_engine::{Event, Score, Settings};
use bellwether_series::Timestamp;

use super::testing::score;
use super::{Facts, Observer, page, period};
use crate::report::episodes::Episodes;
use crate::report::testing::{DAY_MS, Life, MINUTE_MS, MONDAY_MS, life, log, week};

/// The page of a replay with these events, in which each series has a sample a minute around them.
fn page_of(events: &[Event]) -> String {
    let mut observer = Observer::new(1 << 20);
    for event in events {
        let from = event.at_ms.as_ms() - 30 * MINUTE_MS;
        for minute in 0..=30 {
            let (value, surprise) = if minute < 29 { (100.0, 0.4) } else { (150.0, 6.0) };
            let at = Timestamp::from_ms(from + minute * MINUTE_MS);
            let score = Score { value, ..score(event.fingerprint, at, surprise) };
            let now = if minute == 30 { std::slice::from_ref(event) } else { &[] };
            observer.take(&[score], now);
        }
    }
    let facts = Facts {
        received: Some((
            Timestamp::from_ms(MONDAY_MS),
            Timestamp::from_ms(MONDAY_MS + 7 * DAY_MS - 1),
        )),
        samples: (1_234_567, 1_200_000),
        series: 17,
        part: (2, 3),
        is_complete: false,
    };
    let mut episodes = Episodes::new(period(&facts).unwrap());
    for event in events {
        episodes.take(event);
    }
    page::page(&episodes.finish(), &observer, &facts, &Settings::default()).unwrap()
}

#[test]
fn the_page_has_a_plot_of_each_incident_and_the_figures() {
    let page = page_of(&week());
    let count = |text: &str| page.matches(text).count();
    assert_eq!((count("class=\"incident\""), count("class=\"values\" d=\"M")), (10, 10));
    assert!(count("class=\"over\"") >= 20, "{}", count("class=\"over\""));
    for text in
        ["part 2 of 3", "<b>ended early</b>", "1\u{2009}234\u{2009}567 samples", "more incidents"]
    {
        assert!(page.contains(text), "{text}");
    }
    for number in ["NaN", "inf\"", "undefined"] {
        assert!(!page.contains(number), "{number}");
    }
}

#[test]
fn the_page_refers_to_nothing_outside_itself() {
    let page = page_of(&week());
    for word in
        ["http://", "https://", "src=", "href", "@import", "url(", "<link", "<script", "<img"]
    {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_page_shows_hostile_labels_as_text() {
    let evil = "\"><img src=x onerror=alert(1)>'</svg></title><script>";
    let mut lives = Vec::new();
    for minute in 0..3 {
        let mut life = life(evil, evil, MONDAY_MS + DAY_MS + minute * MINUTE_MS);
        life.labels.push(("zone", format!("{evil}{minute}")));
        life.rule = "<img src=y onerror=alert(2)>";
        lives.push(Life { escalates: true, ..life });
    }
    let page = page_of(&log(&lives));
    for word in ["<img", "<script", "onerror=alert(1)>", "'</svg>"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"), "{page}");
    assert!(page.contains("&lt;img src=y onerror=alert(2)&gt;"));
}

#[test]
fn a_replay_of_nothing_has_a_page() {
    let page = page::page(
        &Episodes::new(period(&Facts::default()).unwrap()).finish(),
        &Observer::new(0),
        &Facts::default(),
        &Settings::default(),
    );
    let page = page.unwrap();
    assert!(page.contains("No alert fired.") && page.contains("Nothing was judged."));
}

#[test]
fn the_page_is_about_the_last_366_days_of_a_longer_replay() {
    let facts = |days: i64| Facts {
        received: Some((Timestamp::from_ms(0), Timestamp::from_ms(days * DAY_MS))),
        ..Facts::default()
    };
    assert_eq!(period(&facts(100)).unwrap().since_ms(), 0);
    assert_eq!(period(&facts(500)).unwrap().since_ms(), 134 * DAY_MS + 1);
}
