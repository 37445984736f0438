//! History that is read once from where it is, and as often as anybody likes from a file.
//!
//! A server that is asked again costs as much as the first time, and may have other samples by then.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwether_engine::NumberedSample;
use bellwether_series::LabelSet;
use tempfile::NamedTempFile;

use super::catalog::Catalog;
use super::error::{Cause, HistoryError};
use super::input::{HistorySource, Input};
use super::layout::Mapping;
use super::read::{HistoryReader, ReadCounts};
use super::rows::{RowsReader, RowsWriter};

/// `input` with all that it has, to be read any number of times: a file as it is, anything else from a copy in the temporary folder,
/// which is gone when nobody has it any more. `progress` hears how far it is of [`Input::size_bytes`]. When `stop` becomes
/// true the copy ends there.
///
/// # Errors
/// When it cannot be read, has more than `series_max` series, or the copy cannot be written.
pub fn keep(
    input: &Input,
    series_max: usize,
    stop: &AtomicBool,
    progress: &dyn Fn(u64),
) -> Result<Input, HistoryError> {
    let Some(source) = input.source() else { return Ok(input.clone()) };
    let catalog = Arc::new(Catalog::new(series_max));
    let (mut reader, note) = input.open(&Mapping::default(), &catalog, stop)?;
    let folder = std::env::temp_dir();
    let refused = |source: Cause| HistoryError::Spill { folder: folder.clone(), source };
    let file = NamedTempFile::new_in(&folder).map_err(|error| refused(error.into()))?;
    let again = file.reopen().map_err(|error| refused(error.into()))?;
    let mut writer = RowsWriter::new(again).map_err(|error| refused(error.into()))?;
    let mut rows = Vec::new();
    while !stop.load(Ordering::Relaxed) && reader.read(&mut rows)? {
        writer.write(&rows).map_err(|error| refused(error.into()))?;
        rows.clear();
        progress(reader.done_bytes());
    }
    writer.finish().map_err(refused)?;
    let counts = reader.counts();
    drop(reader);
    let mut series = Vec::new();
    catalog.copy_new(&mut series);
    let name = input.path.display().to_string();
    let kept = Kept { identity: source.identity(), note, folder, file, series, counts };
    Ok(Input::server(&name, counts.samples, Arc::new(kept)))
}

/// What was read of a source.
#[derive(Debug)]
struct Kept {
    identity: String,
    note: String,
    folder: PathBuf,
    /// Its rows. The file vanishes with this.
    file: NamedTempFile,
    /// By the number that it has in the rows.
    series: Vec<LabelSet>,
    counts: ReadCounts,
}

impl Kept {
    fn refused(&self, source: impl Into<Cause>) -> HistoryError {
        HistoryError::Spill { folder: self.folder.clone(), source: source.into() }
    }

    fn file(&self) -> Result<File, HistoryError> {
        self.file.reopen().map_err(|error| self.refused(error))
    }
}

impl HistorySource for Kept {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn open<'a>(
        &'a self,
        catalog: &Arc<Catalog>,
        _: &'a AtomicBool,
    ) -> Result<(Box<dyn HistoryReader + 'a>, String), HistoryError> {
        let rows = RowsReader::open(self.file()?).map_err(|error| self.refused(error))?;
        let numbers = self.series.iter().map(|labels| catalog.number(labels.clone()));
        let numbers = numbers.collect::<Result<_, _>>()?;
        let counts = ReadCounts { samples: 0, ..self.counts };
        Ok((Box::new(KeptReader { kept: self, rows, numbers, counts }), self.note.clone()))
    }
}

/// Reads it again.
struct KeptReader<'a> {
    kept: &'a Kept,
    rows: RowsReader,
    /// By the number of a series in the file that in the catalog.
    numbers: Vec<u32>,
    counts: ReadCounts,
}

impl HistoryReader for KeptReader<'_> {
    fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
        let before = rows.len();
        self.rows.read(rows).map_err(|error| self.kept.refused(error))?;
        let new = &mut rows[before..];
        for row in new.iter_mut() {
            let number = self.numbers.get(row.series as usize);
            row.series = *number.ok_or_else(|| self.kept.refused("a series has no name"))?;
        }
        self.counts.samples += new.len() as u64;
        Ok(!new.is_empty())
    }

    /// In samples.
    fn done_bytes(&self) -> u64 {
        self.counts.samples
    }

    fn counts(&self) -> ReadCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use bellwether_series::Timestamp;

    use super::*;

    const HOSTS: [&str; 2] = ["b", "a"];

    fn labels(host: &str) -> LabelSet {
        LabelSet::from_pairs([("__name__", "load"), ("host", host)]).unwrap()
    }

    /// Two series with the bits of a stale marker; counts how often it was opened.
    #[derive(Debug, Default)]
    struct Asked(AtomicUsize);

    struct Answer {
        numbers: Vec<u32>,
        page: i64,
    }

    impl HistorySource for Asked {
        fn identity(&self) -> String {
            "two series".to_owned()
        }

        fn open<'a>(
            &'a self,
            catalog: &Arc<Catalog>,
            _: &'a AtomicBool,
        ) -> Result<(Box<dyn HistoryReader + 'a>, String), HistoryError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let numbers = HOSTS
                .map(|host| catalog.number(labels(host)))
                .into_iter()
                .collect::<Result<_, _>>()?;
            Ok((Box::new(Answer { numbers, page: 0 }), "pages".to_owned()))
        }
    }

    impl HistoryReader for Answer {
        fn read(&mut self, rows: &mut Vec<NumberedSample>) -> Result<bool, HistoryError> {
            if self.page == 3 {
                return Ok(false);
            }
            let at = Timestamp::from_ms(self.page * 1000);
            // A page in which there is nothing is not the end.
            for &series in self.numbers.iter().filter(|_| self.page != 1) {
                let value =
                    if self.page == 2 { f64::from_bits(0x7ff0_0000_0000_0002) } else { 1.5 };
                rows.push(NumberedSample { at, value, series });
            }
            self.page += 1;
            Ok(true)
        }

        fn done_bytes(&self) -> u64 {
            self.page.unsigned_abs()
        }

        fn counts(&self) -> ReadCounts {
            ReadCounts { rows: 7, samples: 4, empty_values: 3, rows_without_time: 0 }
        }
    }

    /// Host, time and bits of all samples, as another catalog that knows more has them; what was counted, and the note.
    fn read(input: &Input) -> (Vec<(String, i64, u64)>, ReadCounts, String) {
        let (catalog, stop) = (Arc::new(Catalog::default()), AtomicBool::new(false));
        catalog.number(labels("a")).unwrap();
        let (mut reader, note) = input.open(&Mapping::default(), &catalog, &stop).unwrap();
        let mut rows = Vec::new();
        while reader.read(&mut rows).unwrap() {}
        let mut series = Vec::new();
        catalog.copy_new(&mut series);
        let name =
            |row: &NumberedSample| series[row.series as usize].get("host").unwrap().to_owned();
        let all = rows.iter().map(|row| (name(row), row.at.as_ms(), row.value.to_bits())).collect();
        (all, reader.counts(), note)
    }

    #[test]
    fn what_is_kept_is_what_was_read_and_nobody_is_asked_again() {
        let (asked, stop) = (Arc::new(Asked::default()), AtomicBool::new(false));
        let input = Input::server("somewhere", 3, Arc::clone(&asked) as Arc<dyn HistorySource>);
        let kept = keep(&input, 2, &stop, &|_| {}).unwrap();
        assert_eq!(kept.identity(), input.identity());
        let expected = read(&input);
        assert_eq!(expected.0.len(), 4);
        let before = asked.0.load(Ordering::Relaxed);
        let readers = std::thread::scope(|scope| {
            [(); 2].map(|()| scope.spawn(|| read(&kept))).map(|reader| reader.join().unwrap())
        });
        assert_eq!(readers, [expected.clone(), expected]);
        assert_eq!(asked.0.load(Ordering::Relaxed), before);
        let refused = keep(&input, 1, &stop, &|_| {});
        assert!(matches!(refused, Err(HistoryError::SeriesMax { limit: 1 })), "{refused:?}");
    }

    #[test]
    fn a_file_is_its_own_copy() {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "time,value\n1,2\n").unwrap();
        let input = Input::look_at(file.path()).unwrap();
        let kept = keep(&input, 1, &AtomicBool::new(false), &|_| {}).unwrap();
        assert!(kept.source().is_none() && kept.identity() == input.identity());
    }
}
