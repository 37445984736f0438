//! Results: what somebody's detector said of each row of a series.
//!
//! A folder with a file `<id>` or `<id>.gz` for each series, CSV with the columns `timestamp`, `score` (or
//! `anomaly_score`, as NAB has it) and, if it says so, `is_alert`; others are not read. Or one with the `scores.parquet` of a replay.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::catalogue::is_inside;
use super::error::EvalError;
use super::judgements::{self, Judgements};
use super::table::Table;

/// The rows of a result, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultRows {
    /// When they are, in unix seconds.
    pub times_s: Vec<f64>,
    /// Their scores; 0 where the result has none, or one that is not finite.
    pub scores: Vec<f64>,
    /// Whether they alert, if the result says so.
    pub is_alert: Option<Vec<bool>>,
}

/// A folder of results.
#[derive(Debug, Clone)]
pub enum ResultFolder {
    /// With a file for each series.
    Files(PathBuf),
    /// With the judgements of a replay.
    Replay(Judgements),
}

impl ResultFolder {
    /// The folder at `path`, for whoever asks for the series `ids`.
    ///
    /// # Errors
    /// When an id leads out of the folder, or judgements cannot be read.
    pub fn open<'a>(
        path: &Path,
        ids: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Self, EvalError> {
        let judgements = path.join(judgements::FILE);
        if judgements.is_file() {
            return Ok(Self::Replay(Judgements::read(&judgements, ids)?));
        }
        match ids.clone().find(|id| !is_inside(id)) {
            Some(id) => Err(EvalError::Id { id: id.to_owned() }),
            None => Ok(Self::Files(path.to_owned())),
        }
    }

    /// Whether the result of series `id` says which rows alert; `None` when there is no result.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn has_alerts(&self, id: &str) -> Result<Option<bool>, EvalError> {
        match self {
            Self::Replay(judgements) => Ok(judgements.of(id).map(|_| true)),
            Self::Files(folder) => {
                let has = |path: PathBuf| Ok(Table::open(&path)?.column("is_alert").is_some());
                path_in(folder, id).map(has).transpose()
            }
        }
    }

    /// The result of series `id`, if there is one.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(&self, id: &str) -> Result<Option<ResultRows>, EvalError> {
        match self {
            Self::Replay(judgements) => Ok(judgements.of(id).cloned()),
            Self::Files(folder) => path_in(folder, id).map(|path| read(&path)).transpose(),
        }
    }
}

/// The file of series `id`, an id that stays inside the folder.
fn path_in(folder: &Path, id: &str) -> Option<PathBuf> {
    [folder.join(id), folder.join(format!("{id}.gz"))].into_iter().find(|path| path.is_file())
}

fn read(path: &Path) -> Result<ResultRows, EvalError> {
    let mut table = Table::open(path)?;
    let time = table.required(&["timestamp"])?;
    let score = table.required(&["score", "anomaly_score"])?;
    let alert = table.column("is_alert");
    let mut rows = ResultRows { is_alert: alert.map(|_| Vec::new()), ..ResultRows::default() };
    while table.advance()? {
        rows.times_s.push(table.moment(time)?.seconds());
        rows.scores.push(match table.text(score) {
            "" => 0.0,
            text => {
                let score = text.parse::<f64>().map_err(|_| table.refused(score, "number"))?;
                if score.is_finite() { score } else { 0.0 }
            }
        });
        if let (Some(column), Some(alerts)) = (alert, &mut rows.is_alert) {
            let text = table.text(column);
            alerts.push(matches!(text, "1" | "1.0") || text.eq_ignore_ascii_case("true"));
        }
    }
    Ok(rows)
}

/// A result, row by row of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned {
    /// The score of each row; 0 where the result has none.
    pub scores: Vec<f64>,
    /// Whether each row alerts, if the result says so.
    pub is_alert: Option<Vec<bool>>,
    /// Rows that the result has a row for, if they are not simply the same ones.
    pub matched_rows: Option<usize>,
}

impl ResultRows {
    /// Puts each row where its time is in `times_s`, those of its series; rows of equal times in order. What matches
    /// no row is left out.
    pub fn align(self, times_s: &[f64]) -> Aligned {
        if self.times_s == times_s {
            return Aligned { scores: self.scores, is_alert: self.is_alert, matched_rows: None };
        }
        let mut rows: HashMap<u64, Vec<usize>> = HashMap::new();
        for (row, time_s) in times_s.iter().enumerate().rev() {
            rows.entry(time_s.to_bits()).or_default().push(row);
        }
        let mut scores = vec![0.0; times_s.len()];
        let mut is_alert = self.is_alert.as_ref().map(|_| vec![false; times_s.len()]);
        let mut matched = 0;
        for (index, time_s) in self.times_s.iter().enumerate() {
            let Some(row) = rows.get_mut(&time_s.to_bits()).and_then(Vec::pop) else { continue };
            matched += 1;
            scores[row] = self.scores[index];
            if let (Some(to), Some(from)) = (&mut is_alert, &self.is_alert) {
                to[row] = from[index];
            }
        }
        Aligned { scores, is_alert, matched_rows: Some(matched) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(text: &str) -> Result<ResultRows, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/x.csv"), text).unwrap();
        let results = ResultFolder::open(folder.path(), ["a/x.csv"].into_iter())?;
        results.read("a/x.csv").map(Option::unwrap)
    }

    #[test]
    fn columns_are_found_by_name_and_what_is_no_number_scores_0() {
        let rows = result("value,Timestamp,anomaly_score\n7,60,0.5\n7,120,\n7,180,NaN\n").unwrap();
        assert_eq!(rows.times_s, [60.0, 120.0, 180.0]);
        assert_eq!(rows.scores, [0.5, 0.0, 0.0]);
        assert_eq!(rows.is_alert, None);
        let rows = result("timestamp,score,is_alert\n1,0,TRUE\n2,0,0\n3,0,1.0\n").unwrap();
        assert_eq!(rows.is_alert, Some(vec![true, false, true]));
    }

    #[test]
    fn a_fault_is_named_with_file_and_line() {
        for (text, what) in [
            ("timestamp,score\n1,0\nx,0\n", "time: path=`"),
            ("timestamp,score\n1,0\n2,high\n", "number: path=`"),
        ] {
            let error = result(text).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("line=`3`"), "{error}");
        }
        let outside = ResultFolder::open(Path::new("results"), ["../x"].into_iter());
        assert!(matches!(outside, Err(EvalError::Id { .. })), "{outside:?}");
        let error = result("timestamp,value\n").unwrap_err();
        assert!(matches!(error, EvalError::Column { column: "score", .. }), "{error}");
        let Err(EvalError::Csv { source, .. }) = result("timestamp,score\n1,0\n2\n") else {
            panic!("too few cells")
        };
        assert!(source.to_string().contains("line: 3"), "{source}");
    }

    #[test]
    fn rows_are_matched_by_time_and_repeated_times_in_order() {
        let rows = ResultRows {
            times_s: vec![2.0, 2.0, 9.0, 1.0, 2.0],
            scores: vec![0.2, 0.3, 0.9, 0.1, 0.4],
            is_alert: Some(vec![false, true, true, false, true]),
        };
        let aligned = rows.align(&[1.0, 2.0, 2.0, 3.0]);
        assert_eq!(aligned.scores, [0.1, 0.2, 0.3, 0.0]);
        assert_eq!(aligned.is_alert, Some(vec![false, false, true, false]));
        assert_eq!(aligned.matched_rows, Some(3));
    }
}
