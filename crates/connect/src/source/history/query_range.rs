//! Asking by `query_range`: a value of each series at every step, as a dashboard would get it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::RawSample;
use reqwest::Url;
use serde::Deserialize;

use super::exchange::{Failure, Refusal, Server};
use super::{Answer, HistoryQuery, SeriesPage};

const HEADERS: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

#[derive(Deserialize)]
struct Body<'a> {
    status: &'a str,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    /// What is amiss; of a selector alone that some of the data could not be had.
    #[serde(default)]
    warnings: Vec<String>,
    /// So says `VictoriaMetrics` when not all of its nodes answered.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    kind: &'a str,
    #[serde(borrow)]
    result: Vec<Series<'a>>,
}

#[derive(Deserialize)]
struct Series<'a> {
    #[serde(borrow)]
    metric: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Unix seconds and a number as text. A series of native histograms has none.
    #[serde(borrow, default)]
    values: Vec<(f64, &'a str)>,
    #[serde(default)]
    histograms: Vec<serde::de::IgnoredAny>,
}

/// What the server has from `first` to `last`.
pub(super) async fn ask(
    server: &Server,
    query: &HistoryQuery,
    first: Timestamp,
    last: Timestamp,
    step_ms: i64,
) -> Result<Answer, Failure> {
    let mut all = Answer { series: Vec::new(), histograms: 0, bytes: 0 };
    for selector in &query.selectors {
        let form = form(&selector.text, first, last, step_ms);
        let bytes_max = query.answer_bytes_max - all.bytes;
        let (body, path) = server.query_range().with(&HEADERS, form).ask(bytes_max).await?;
        let refused = |cause: String| Failure::Final(Refusal::new(path, cause));
        let answer: Body<'_> = serde_json::from_slice(&body)
            .map_err(|error| refused(format!("answer is not that of query_range: {error}")))?;
        take(answer, &mut all).map_err(refused)?;
        all.bytes += body.len();
    }
    Ok(all)
}

/// The parameters, as a form. `nocache` keeps `VictoriaMetrics` from moving the times.
fn form(selector: &str, first: Timestamp, last: Timestamp, step_ms: i64) -> Vec<u8> {
    let seconds = |ms: i64| format!("{}{}.{:03}", sign(ms), ms.abs() / 1000, ms.abs() % 1000);
    let Ok(mut url) = Url::parse("http://form") else { return Vec::new() };
    url.query_pairs_mut()
        .append_pair("query", selector)
        .append_pair("start", &seconds(first.as_ms()))
        .append_pair("end", &seconds(last.as_ms()))
        .append_pair("step", &seconds(step_ms))
        .append_pair("nocache", "1");
    url.query().unwrap_or_default().as_bytes().to_vec()
}

fn sign(ms: i64) -> &'static str {
    if ms < 0 { "-" } else { "" }
}

/// Adds what `body` says to `all`.
fn take(body: Body<'_>, all: &mut Answer) -> Result<(), String> {
    if !body.warnings.is_empty() || body.is_partial {
        let why = body.warnings.join("; ");
        return Err(format!("answer is a part of what was asked for: {why}"));
    }
    let data = body.data.filter(|data| body.status == "success" && data.kind == "matrix");
    for Series { metric, values, histograms } in data.ok_or("answer has no matrix")?.result {
        let pairs = metric.iter().map(|(name, value)| (&**name, &**value));
        let labels = LabelSet::from_pairs(pairs)
            .map_err(|error| format!("labels of a series are not valid: {error}"))?;
        let samples = values.into_iter().map(|(seconds, value)| {
            let timestamp = Timestamp::from_ms((seconds * 1000.0).round() as i64);
            let value = value.parse().map_err(|_| format!("value is no number: {value}"))?;
            Ok::<_, String>(RawSample { timestamp, value })
        });
        let samples: Vec<_> = samples.collect::<Result<_, _>>()?;
        all.histograms += histograms.len();
        if !samples.is_empty() {
            all.series.push(SeriesPage { labels, samples });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_times_to_the_millisecond() {
        let of = |ms| Timestamp::from_ms(ms);
        let form = form("up{job=\"a b\"}", of(1_700_000_000_050), of(1_700_000_059_999), 1500);
        let expected = "query=up%7Bjob%3D%22a+b%22%7D&start=1700000000.050&end=1700000059.999&step=1.500&nocache=1";
        assert_eq!(String::from_utf8(form).unwrap(), expected);
    }

    #[test]
    fn an_answer_is_series_with_samples() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","job":"a\"b"},"values":[[1.5,"1"],[1700000000.001,"NaN"],[3,"+Inf"]]},
            {"metric":{"__name__":"h"},"histograms":[[1,{"count":"1"}]]}]},"infos":["x"]}"#;
        let mut all = Answer { series: Vec::new(), histograms: 0, bytes: 0 };
        take(serde_json::from_str(text).unwrap(), &mut all).unwrap();
        let labels = LabelSet::from_pairs([("__name__", "up"), ("job", "a\"b")]).unwrap();
        let [only] = &*all.series else { panic!("{}", all.series.len()) };
        assert_eq!((&only.labels, all.histograms), (&labels, 1));
        let times: Vec<_> = only.samples.iter().map(|sample| sample.timestamp.as_ms()).collect();
        assert_eq!(times, [1500, 1_700_000_000_001, 3000]);
        assert!(only.samples[1].value.is_nan() && only.samples[2].value > f64::MAX);
    }

    #[test]
    fn what_is_not_the_whole_is_refused() {
        for (text, expected) in [
            (r#"{"status":"error"}"#, "no matrix"),
            (r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#, "no matrix"),
            (
                r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["store is down"]}"#,
                "part of what was asked for: store is down",
            ),
            (
                r#"{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}"#,
                "part of what was asked for",
            ),
            (
                r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"m"},"values":[[1,"x"]]}]}}"#,
                "value is no number: x",
            ),
        ] {
            let mut all = Answer { series: Vec::new(), histograms: 0, bytes: 0 };
            let error = take(serde_json::from_str(text).unwrap(), &mut all).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
