//! The file of scores while it is written: in parts beside the results, of which one ends with each state that a replay may go on
//! from, because a Parquet file cannot be gone on with. In the end they become one file; no page is decoded for that.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;

use super::super::error::{Cause, HistoryError};

/// What the name of a part begins with; its number follows.
const PREFIX: &str = "replay.checkpoint.scores-";
/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 20;

/// The parts of a file.
pub(super) struct Parts {
    /// Where the whole will be.
    path: PathBuf,
    schema: SchemaRef,
    /// Parts that are complete.
    done: u32,
    /// The one behind them, once there is something to write.
    current: Option<ArrowWriter<File>>,
}

impl Parts {
    /// Goes on behind `done` parts of what will be at `path`. Others that are there go.
    pub(super) fn create(path: &Path, schema: SchemaRef, done: u32) -> Result<Self, HistoryError> {
        let parts = Self { path: path.to_owned(), schema, done, current: None };
        remove(parts.folder(), done)?;
        Ok(parts)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Cause> {
        let writer = match &mut self.current {
            Some(writer) => writer,
            None => self.current.insert(self.begin(&self.part(self.done))?),
        };
        Ok(writer.write(batch)?)
    }

    /// Ends a part, and says how many are complete and durable then.
    pub(super) fn end_part(&mut self) -> Result<u32, Cause> {
        if let Some(mut writer) = self.current.take() {
            writer.finish()?;
            writer.inner().sync_data()?;
            self.done += 1;
        }
        Ok(self.done)
    }

    /// Puts the whole at its place. With `keeps`, parts stay for whoever goes on with them.
    pub(super) fn finish(mut self, keeps: bool) -> Result<(), Cause> {
        self.end_part()?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = self.path.with_file_name(format!(".{name}.unfinished"));
        match self.done {
            0 => _ = self.begin(&unfinished)?.close()?,
            1 if !keeps => fs::rename(self.part(0), &unfinished)?,
            _ => self.join(&unfinished)?,
        }
        fs::rename(&unfinished, &self.path)?;
        if !keeps {
            remove(self.folder(), 0)?;
        }
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn part(&self, number: u32) -> PathBuf {
        self.folder().join(format!("{PREFIX}{number}"))
    }

    fn begin(&self, path: &Path) -> Result<ArrowWriter<File>, Cause> {
        let properties = properties()?.build();
        Ok(ArrowWriter::try_new(File::create(path)?, Arc::clone(&self.schema), Some(properties))?)
    }

    /// Writes the row groups of all parts into one file.
    fn join(&self, whole: &Path) -> Result<(), Cause> {
        let mut writer = None;
        for number in 0..self.done {
            let file = File::open(self.part(number))?;
            let part = ParquetMetaDataReader::new().parse_and_finish(&file)?;
            let about = part.file_metadata();
            let writer = if let Some(writer) = &mut writer {
                writer
            } else {
                // The Arrow schema is among the metadata of the file.
                let metadata = about.key_value_metadata().cloned();
                let properties = properties()?.set_key_value_metadata(metadata).build();
                let schema = about.schema_descr().root_schema_ptr();
                let whole = File::create(whole)?;
                writer.insert(SerializedFileWriter::new(whole, schema, properties.into())?)
            };
            for rows in part.row_groups() {
                let mut group = writer.next_row_group()?;
                for column in rows.columns() {
                    let column = ColumnCloseResult {
                        bytes_written: u64::try_from(column.compressed_size())?,
                        rows_written: u64::try_from(rows.num_rows())?,
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: None,
                        offset_index: None,
                    };
                    group.append_column(&file, column)?;
                }
                group.close()?;
            }
        }
        if let Some(writer) = writer {
            writer.close()?;
        }
        Ok(())
    }
}

fn properties() -> Result<WriterPropertiesBuilder, Cause> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS)))
}

/// Removes parts from number `from` on that are in a folder for results.
pub(in crate::history) fn remove(folder: &Path, from: u32) -> Result<(), HistoryError> {
    let refused = HistoryError::output(folder);
    let all = || -> Result<(), Cause> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            if number.is_some_and(|number: u32| number >= from) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    all().map_err(refused)
}
