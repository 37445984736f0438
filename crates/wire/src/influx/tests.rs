//! Lines, and what becomes of those that are none.

use bellwether_series::{LabelLimits, LabelSet};
use proptest::prelude::*;

use super::*;

fn read(body: &str) -> WriteRequest {
    decode(body.as_bytes(), Precision::Nanoseconds, &Limits::default()).unwrap()
}

/// Each sample as (series, milliseconds, value).
fn shown(request: &WriteRequest) -> Vec<(String, i64, f64)> {
    let mut all = Vec::new();
    for series in request.series() {
        let labels = LabelSet::from_wire(series.labels, &LabelLimits::default()).unwrap();
        assert_eq!(labels.as_wire(), series.labels, "not canonical");
        let sample =
            |sample: &RawSample| (labels.to_string(), sample.timestamp.as_ms(), sample.value);
        all.extend(series.samples.iter().map(sample));
    }
    all
}

#[test]
fn each_field_that_is_a_number_is_a_sample() {
    let body = "cpu,host=a,region=eu usage=0.5,idle=9i,big=18446744073709551615u,on=t,off=FALSE,name=\"x y,z=1\" 1700000000000000000\n";
    let at = 1_700_000_000_000;
    let named =
        |field: &str, value| (format!("cpu_{field}{{host=\"a\",region=\"eu\"}}"), at, value);
    let expected = [
        named("usage", 0.5),
        named("idle", 9.0),
        named("big", 18_446_744_073_709_551_615.0),
        named("on", 1.0),
        named("off", 0.0),
    ];
    assert_eq!(shown(&read(body)), expected);
}

#[test]
fn a_field_called_value_is_the_measurement_itself() {
    assert_eq!(shown(&read("up value=1 1000000")), [("up".to_owned(), 1, 1.0)]);
}

#[test]
fn comments_empty_lines_and_ends_of_windows_are_no_fault() {
    let body = "# comment\n\n  \r\nup,a=1 value=1 1000000\r\nup,a=1 value=2 2000000 \n\t#\nup,a=1 value=3 3000000\r";
    let series = |ms, value| (r#"up{a="1"}"#.to_owned(), ms, value);
    assert_eq!(shown(&read(body)), [series(1, 1.0), series(2, 2.0), series(3, 3.0)]);
    assert_eq!(read(body).series_count(), 1);
    assert!(read(body).invalid_points().is_empty());
    assert_eq!(read("").sample_count(), 0);
}

#[test]
fn escapes_stand_for_what_they_escape() {
    let body = r"my\ m\,x,t\=a\,g=v\ 1\=2,path=C:\dir f\ 1\=x=1 1000000";
    let labels = [("__name__", "my m,x_f 1=x"), ("t=a,g", "v 1=2"), ("path", r"C:\dir")];
    let expected = LabelSet::from_pairs(labels).unwrap();
    let request = read(body);
    assert!(request.invalid_points().is_empty(), "{:?}", request.invalid_points());
    assert_eq!(request.series().next().unwrap().labels, expected.as_wire());
}

#[test]
fn text_may_have_quotes_and_ends_of_lines_in_it() {
    let body = "m a=\"x\\\"y\\\\\",b=1 1000000\nm a=\"two\nlines\",b=2 2000000\nbad\n";
    let request = read(body);
    let expected = [("m_b".to_owned(), 1, 1.0), ("m_b".to_owned(), 2, 2.0)];
    assert_eq!(shown(&request), expected);
    let message = "line is invalid: line=`4`, offset=`56`, fault=`fields are missing`";
    assert_eq!(request.invalid_points().messages(), [message]);
}

#[test]
fn a_bad_line_is_named_and_the_rest_is_taken() {
    let good = "up value=1 1000000\n";
    for (bad, offset, fault) in [
        (",a=1 value=1 1", 19, "measurement is missing"),
        ("up,=1 value=1 1", 22, "tag has no name"),
        ("up,a value=1 1", 23, "tag has no value"),
        ("up,a=1=2 value=1 1", 25, "tag has two values"),
        ("up", 21, "fields are missing"),
        ("up ", 22, "field has no name"),
        ("up =1 1", 22, "field has no name"),
        ("up a 1", 23, "field has no value"),
        ("up a= 1", 24, "field is not a number, a boolean or a text"),
        ("up a=x 1", 24, "field is not a number, a boolean or a text"),
        ("up a=1.5i 1", 24, "field is not a number, a boolean or a text"),
        ("up a=-1u 1", 24, "field is not a number, a boolean or a text"),
        ("up a=1", 26, "timestamp is missing"),
        ("up a=1,", 26, "field has no name"),
        ("up a=1 1.5", 26, "timestamp is not an integer"),
        ("up a=1 1 2", 28, "text is behind the end of the line"),
        ("up a=\"x 1", 25, "text has no end"),
    ] {
        let request = read(&format!("{good}{bad}\n{good}"));
        assert_eq!(request.sample_count(), 2, "{bad}");
        let messages = request.invalid_points().messages();
        assert_eq!(messages.len(), 1, "{bad}: {messages:?}");
        let expected = format!("line is invalid: line=`2`, offset=`{offset}`, fault=`{fault}`");
        // What is missing is missed at the end of the line.
        let found = &messages[0];
        assert!(
            *found == expected || fault.ends_with("missing") && found.contains(fault),
            "{bad}: {found}"
        );
    }
    let out_of_range =
        decode(b"up a=1 9223372036854775807", Precision::Seconds, &Limits::default());
    let message = &out_of_range.unwrap().invalid_points().messages()[0].clone();
    assert!(message.contains("timestamp is out of range"), "{message}");
}

#[test]
fn a_short_line_that_means_many_labels_is_limited() {
    let tags = "x".repeat(1000);
    let fields: Vec<String> = (0..1000).map(|index| format!("f{index}=1")).collect();
    let body = format!("m,t={tags} {} 1000000", fields.join(","));
    assert!(body.len() < 10_000);
    let limits = Limits { decoded_bytes_max: 100_000, ..Limits::default() };
    let error = decode(body.as_bytes(), Precision::Nanoseconds, &limits).unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { part: "labels", .. }), "{error}");
    assert_eq!(read(&body).series_count(), 1000);
}

/// As the specification has it: a backslash before what would end the name.
fn escaped(text: &str, ends: &str) -> String {
    let escape =
        |character| if ends.contains(character) { vec!['\\', character] } else { vec![character] };
    text.chars().flat_map(escape).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_to_the_same(
        measurement in "[a-z ,\\\\é]{0,6}[a-z]",
        tags in proptest::collection::btree_map("[a-z ,=]{0,4}[a-z]", "[a-z ,=é]{0,4}[a-z]", 0..4),
        fields in proptest::collection::btree_map("[a-z ,=]{0,4}[a-z]", any::<f64>(), 1..4),
        ms in -1_000_000_000_000_i64..5_000_000_000_000,
        precision in 0..3_usize,
    ) {
        let precision = Precision::ALL[precision];
        let per_ms = [1_000_000, 1_000, 1][Precision::ALL.iter().position(|&p| p == precision).unwrap()];
        let mut line = escaped(&measurement, " ,");
        for (name, value) in &tags {
            line.extend([",", &escaped(name, " ,="), "=", &escaped(value, " ,=")]);
        }
        let all: Vec<_> = fields.iter().map(|(name, value)| format!("{}={value}", escaped(name, " ,="))).collect();
        line.extend([" ", &all.join(","), " ", &(ms * per_ms).to_string()]);
        // A backslash before what would be escaped is ambiguous in the format itself.
        prop_assume!(!measurement.contains("\\ ") && !measurement.contains("\\,") && !measurement.contains("\\="));
        let request = decode(line.as_bytes(), precision, &Limits::default()).unwrap();
        prop_assert!(request.invalid_points().is_empty(), "{}: {:?}", line, request.invalid_points());
        let read: Vec<_> = request.series().collect();
        prop_assert_eq!(read.len(), fields.len());
        for (series, (field, value)) in read.iter().zip(&fields) {
            let name = if field == "value" { measurement.clone() } else { format!("{measurement}_{field}") };
            let pairs = tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = LabelSet::from_pairs(pairs.chain([("__name__", name.as_str())])).unwrap();
            prop_assert_eq!(series.labels, labels.as_wire());
            prop_assert_eq!(series.samples[0].timestamp.as_ms(), ms);
            let read = series.samples[0].value;
            prop_assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan());
        }
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        _ = decode(&body, Precision::Seconds, &Limits::default());
    }

    #[test]
    fn no_text_of_the_alphabet_panics_and_every_line_is_taken_or_named(body in "[ma1,= \\\\\"#\n]{0,60}") {
        let request = read(&body);
        let says_something = |line: &&str| !line.trim().is_empty() && !line.trim_start_matches([' ', '\t']).starts_with('#');
        let lines = body.split('\n').filter(says_something).count();
        prop_assert!(request.invalid_points().count() <= lines);
    }
}
