//! Results held against labels: how well somebody's scores and alerts find what somebody else has judged.
//!
//! Each figure has a file of its own, which says how it is computed and who proposed it, and is a function of slices; the
//! rest reads files ([`Labels`], [`catalogue`], [`ResultFolder`]), puts rows and labels together ([`Truth`]), pools figures by
//! dataset and compares them with a [`Baseline`]. The results may be of any detector, or those of
//! [`replay_corpus`](crate::corpus::replay_corpus) or [`replay_history`](crate::history::replay_history).

mod average_precision;
mod baseline;
mod catalogue;
mod delay;
mod error;
mod evaluate;
mod events;
mod judgements;
mod labels;
mod moment;
mod nab;
mod points;
mod pool;
mod range;
mod results;
mod span;
mod table;
#[cfg(test)]
mod testing;
mod truth;
mod vus;

pub use average_precision::average_precision;
pub use baseline::{Baseline, Regression, TOLERANCE};
pub use catalogue::{CorpusFiles, NAB, SeriesSpec, VUS_WINDOW_ROWS, catalogue};
pub use delay::{Delay, delays, median};
pub use error::EvalError;
pub use evaluate::{
    AlertRule, EvalInput, Evaluation, Incomplete, NabFigures, NabProfileFigures, SeriesFigures,
    THRESHOLD, Unscored, evaluate,
};
pub use events::{MERGE_GAP_ROWS, Terms, false_alarms, first_alerts, notifications};
pub use judgements::Judgements;
pub use labels::{LabelWindow, Labels};
pub use nab::{NabCorpus, NabScore, PROFILES, Profile, RowValue, probation_rows, row_values};
pub use points::PointCounts;
pub use pool::{Counts, DatasetFigures, MeanFigures, Ranking};
pub use range::{ALPHA, RangeSums};
pub use results::{Aligned, ResultFolder, ResultRows};
pub use span::{Span, runs};
pub use truth::Truth;
pub use vus::vus_pr;
