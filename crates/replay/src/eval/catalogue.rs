//! Which series are scored, where their rows are, and on what terms.
//!
//! A manifest says it all. Without one the labels list the series, and NAB's own terms hold: its probation, and the name of
//! the folder that a series is in for its dataset.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::error::EvalError;
use super::labels::{LabelWindow, Labels};

/// The dataset that has a NAB score, and windows that need no slack because they are padded.
pub const NAB: &str = "nab";
/// Longest buffer of VUS-PR where the manifest says none: what TSB-AD takes for series without a period.
pub const VUS_WINDOW_ROWS: u16 = 125;

/// A series to score.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSpec {
    /// What results and labels call it: a relative path; of the results of a replay the labels of the series.
    pub id: String,
    /// The dataset that it is pooled with.
    pub dataset: String,
    /// The file of its data; without one, its rows are those of its result.
    pub data: Option<PathBuf>,
    /// The first row that is scored; NAB's probation if nobody says.
    pub score_from: Option<usize>,
    /// Seconds from row to row; the median of its rows if nobody says.
    pub step_s: Option<f64>,
    /// Longest buffer of VUS-PR, in rows.
    pub vus_window_rows: u16,
    /// What is labelled.
    pub windows: Vec<LabelWindow>,
}

/// Where a catalogue comes from.
#[derive(Debug, Clone, Default)]
pub struct CorpusFiles {
    /// The labels.
    pub labels: PathBuf,
    /// The manifest, if there is one.
    pub manifest: Option<PathBuf>,
    /// Folder with a file of data under the id of each series, for labels without a manifest.
    pub data: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    series: Vec<Entry>,
}

/// What of a manifest matters here; there may be more in it.
#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
    path: PathBuf,
    dataset: Option<String>,
    score_from: Option<usize>,
    step_s: Option<f64>,
    vus_window: Option<u16>,
}

/// The series of a corpus: in the order of the manifest, else in that of their ids.
///
/// # Errors
/// When a file cannot be read or understood, an id leads out of the folder of the data, or a series has no labels.
pub fn catalogue(files: &CorpusFiles) -> Result<Vec<SeriesSpec>, EvalError> {
    let labels = Labels::read(&files.labels)?;
    let specs = match &files.manifest {
        Some(path) => of_manifest(path, &labels, &files.labels)?,
        None => of_labels(&labels, files.data.as_deref()),
    };
    match specs.iter().find(|spec| files.data.is_some() && !is_inside(&spec.id)) {
        Some(spec) => Err(EvalError::Id { id: spec.id.clone() }),
        None => Ok(specs),
    }
}

fn of_manifest(
    path: &Path,
    labels: &Labels,
    labels_path: &Path,
) -> Result<Vec<SeriesSpec>, EvalError> {
    let text =
        std::fs::read(path).map_err(|source| EvalError::File { path: path.to_owned(), source })?;
    let Manifest { series } = serde_json::from_slice(&text)
        .map_err(|source| EvalError::Json { path: path.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let spec = |entry: Entry| {
        let dataset = entry.dataset.unwrap_or_else(|| folder_of(&entry.id).to_owned());
        let Some(windows) = labels.of(&entry.id, &dataset) else {
            return Err(EvalError::Unlabelled { path: labels_path.to_owned(), id: entry.id });
        };
        Ok(SeriesSpec {
            windows: windows.to_vec(),
            dataset,
            data: Some(folder.join(entry.path)),
            score_from: entry.score_from,
            step_s: entry.step_s,
            vus_window_rows: entry.vus_window.unwrap_or(VUS_WINDOW_ROWS),
            id: entry.id,
        })
    };
    series.into_iter().map(spec).collect()
}

fn of_labels(labels: &Labels, data: Option<&Path>) -> Vec<SeriesSpec> {
    let spec = |id: &str| {
        let dataset = if labels.are_nabs() { NAB } else { folder_of(id) };
        SeriesSpec {
            windows: labels.of(id, dataset).unwrap_or_default().to_vec(),
            id: id.to_owned(),
            dataset: dataset.to_owned(),
            data: data.map(|folder| folder.join(id)),
            score_from: None,
            step_s: None,
            vus_window_rows: VUS_WINDOW_ROWS,
        }
    };
    labels.ids().map(spec).collect()
}

/// The first folder of an id; `series` for one without, such as the labels of a series.
fn folder_of(id: &str) -> &str {
    let path = id.split('{').next().unwrap_or_default();
    path.split_once('/').map_or("series", |(folder, _)| folder)
}

/// Whether `id` stays inside the folder that it is looked for in.
pub(super) fn is_inside(id: &str) -> bool {
    !id.is_empty() && Path::new(id).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(labels: &str, manifest: Option<&str>) -> Result<Vec<SeriesSpec>, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("labels.json"), labels).unwrap();
        if let Some(text) = manifest {
            std::fs::write(path("manifest.json"), text).unwrap();
        }
        catalogue(&CorpusFiles {
            labels: path("labels.json"),
            manifest: manifest.map(|_| path("manifest.json")),
            data: None,
        })
    }

    #[test]
    fn without_a_manifest_the_labels_list_the_series() {
        let specs = list(r#"{"b/x": [[1, 2]], "a": []}"#, None).unwrap();
        let names: Vec<_> = specs.iter().map(|s| (s.id.as_str(), s.dataset.as_str())).collect();
        assert_eq!(names, [("a", "series"), ("b/x", "b")]);
        assert_eq!(folder_of("disk{path=\"/var/lib\"}"), "series");
        let nab = r#"{"real/x": [["2014-04-10 07:15:00.000000", "2014-04-10 07:20:00.000000"]], "a/y": []}"#;
        assert!(list(nab, None).unwrap().iter().all(|spec| spec.dataset == NAB));
        // A date that is written otherwise is not NAB's, and neither are its terms.
        let own = r#"{"real/x": [["2014-04-10T07:15:00Z", "2014-04-10T07:20:00Z"]], "a/y": []}"#;
        assert!(list(own, None).unwrap().iter().all(|spec| spec.dataset != NAB));
    }

    #[test]
    fn a_manifest_says_terms_and_may_hold_more_than_that() {
        let manifest = r#"{"version": 1, "series": [
            {"id": "nab/real/x", "path": "x.gz", "score_from": 7, "step_s": 60, "licence": "MIT"}]}"#;
        let specs = list(r#"{"real/x": [[1, 2]], "other": []}"#, Some(manifest)).unwrap();
        assert_eq!(specs.len(), 1);
        assert_eq!((specs[0].dataset.as_str(), specs[0].score_from), (NAB, Some(7)));
        assert!(specs[0].data.as_ref().unwrap().ends_with("x.gz"));
        assert_eq!(specs[0].windows.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let manifest = r#"{"series": [{"id": "a/x", "path": "x"}]}"#;
        let error = list(r#"{"a/y": []}"#, Some(manifest)).unwrap_err().to_string();
        assert!(error.contains("id=`a/x`"), "{error}");
        assert!(!is_inside("../x") && !is_inside("/x") && is_inside("a/x"));
        let long = r#"{"series": [{"id": "a/y", "path": "x", "vus_window": 70000}]}"#;
        assert!(matches!(list(r#"{"a/y": []}"#, Some(long)), Err(EvalError::Json { .. })));
    }
}
