//! Where a replay goes on that ended early: all of its state after some second of the history, in one file beside the results.
//!
//! Whoever goes on reads the history from its beginning and passes over what had been replayed: reading is cheap beside judging, and
//! everything that is counted while reading is counted as before. The file is written under another name, synced, and then gets its
//! own, so there is always a whole one or none. It holds a checksum, and what the replay was about: of another one it is refused.
//!
//! ```text
//! magic │ length, head (postcard) │ length, intake │ length, cap │ number of partitions │ for each: number, length, state,
//! length, states of silent series (postcard) │ CRC-32C of all before
//! ```

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bellwether_engine::{Counts, STATE_VERSION};
use bellwether_series::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::{Cause, HistoryError};
use super::records::Told;
use super::scores::remove_parts;
use crate::journal::EventCounts;
use crate::report::Observer;

const FILE: &str = "replay.checkpoint";
const MAGIC: &[u8; 8] = b"BWREPLAY";
/// Version of what is in the file, beside [`STATE_VERSION`].
const FORMAT: u32 = 3;

/// What a replay is about, as names and values: only one that is about the same goes on with its state.
pub(super) type Identity = Vec<(String, String)>;

/// The identity of a replay, beside that of its inputs.
pub(super) fn identity(
    config_digest: &str,
    arguments: Vec<(&str, String)>,
    inputs: Vec<String>,
) -> Identity {
    let version = env!("CARGO_PKG_VERSION");
    let version = format!("{version}, format {FORMAT}, state {STATE_VERSION}");
    let own = [
        ("version", version),
        ("configuration", config_digest.to_owned()),
        ("number of inputs", inputs.len().to_string()),
    ];
    let own = own.into_iter().chain(arguments).map(|(name, value)| (name.to_owned(), value));
    own.chain(inputs.into_iter().map(|input| ("input".to_owned(), input))).collect()
}

/// What is small of a state, and what is of the replay and not of the engine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) identity: Identity,
    /// Whether rows were sorted before any was replayed.
    pub(super) sorts: bool,
    pub(super) records: RecordsHead,
    pub(super) merged: MergedHead,
    pub(super) results: ResultsHead,
}

/// What of it is of the records.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordsHead {
    /// The time of the last sample that was taken or left out: all of its second was.
    pub(super) taken_until: Timestamp,
    /// The time of the last record, if there was one.
    pub(super) last: Option<Timestamp>,
    pub(super) told: Told,
}

/// What of it is of what the shards made of them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct MergedHead {
    pub(super) counts: Counts,
    pub(super) events: EventCounts,
    pub(super) received: Option<(Timestamp, Timestamp)>,
}

/// What of it is of the files.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ResultsHead {
    /// Bytes of `events.jsonl`.
    pub(super) lines_bytes: u64,
    /// What of it is of the file of scores, if there is one.
    pub(super) scores: Option<ScoresHead>,
    pub(super) observer: Observer,
}

/// What of it is of the file of scores.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ScoresHead {
    /// Parts of the file that are complete.
    pub(super) parts: u32,
    /// Rows in all of them.
    pub(super) rows: u64,
    /// Alerts that fire, by series and episode.
    pub(super) firing: Vec<(Fingerprint, Fingerprint)>,
}

/// The state of a partition.
#[derive(Debug)]
pub(super) struct SavedPartition {
    pub(super) number: usize,
    pub(super) state: Vec<u8>,
    /// States of silent series.
    pub(super) cold: Vec<(u64, Vec<u8>)>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) head: Head,
    pub(super) intake: Vec<u8>,
    pub(super) cap: Vec<u8>,
    pub(super) partitions: Vec<SavedPartition>,
}

/// Where it is in a folder for results.
pub(super) fn path_in(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Removes it from a folder for results, with what belongs to it, if it is there.
pub(super) fn remove(folder: &Path) -> Result<(), HistoryError> {
    remove_parts(folder, 0)?;
    let path = path_in(folder);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(HistoryError::output(&path)(error))
        }
        _ => Ok(()),
    }
}

impl Checkpoint {
    /// Writes it in the place of the one before.
    pub(super) fn write(&self, folder: &Path) -> Result<(), HistoryError> {
        let path = path_in(folder);
        self.write_to(&path).map_err(HistoryError::output(&path))
    }

    fn write_to(&self, path: &Path) -> Result<(), Cause> {
        let unfinished = path.with_file_name(format!(".{FILE}.unfinished"));
        let file = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        let mut out = Summing { out: file, sum: 0 };
        out.write_all(MAGIC)?;
        put(&mut out, &postcard::to_allocvec(&self.head)?)?;
        put(&mut out, &self.intake)?;
        put(&mut out, &self.cap)?;
        out.write_all(&(self.partitions.len() as u64).to_le_bytes())?;
        for SavedPartition { number, state, cold } in &self.partitions {
            out.write_all(&(*number as u64).to_le_bytes())?;
            put(&mut out, state)?;
            put(&mut out, &postcard::to_allocvec(cold)?)?;
        }
        let Summing { mut out, sum } = out;
        out.write_all(&sum.to_le_bytes())?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(fs::rename(&unfinished, path)?)
    }

    /// Reads what is in `folder`; `None` if there is nothing to go on with.
    ///
    /// # Errors
    /// When it is damaged, or of another replay than `identity` says.
    pub(super) fn read(folder: &Path, identity: &Identity) -> Result<Option<Self>, HistoryError> {
        let path = path_in(folder);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HistoryError::file(&path)(error)),
        };
        let damaged = |source| HistoryError::Checkpoint { path: path.clone(), source };
        let mut rest = checked(&bytes).map_err(damaged)?;
        let head: Head =
            part(&mut rest).and_then(|head| Ok(postcard::from_bytes(head)?)).map_err(damaged)?;
        if let Some((what, then, now)) = difference(&head.identity, identity) {
            return Err(HistoryError::Resume { what, then, now });
        }
        Self::rest(head, rest).map(Some).map_err(damaged)
    }

    fn rest(head: Head, mut rest: &[u8]) -> Result<Self, Cause> {
        let intake = part(&mut rest)?.to_vec();
        let cap = part(&mut rest)?.to_vec();
        let mut partitions = Vec::new();
        for _ in 0..number(&mut rest)? {
            let number = number(&mut rest)?;
            let state = part(&mut rest)?.to_vec();
            let cold = postcard::from_bytes(part(&mut rest)?)?;
            partitions.push(SavedPartition { number, state, cold });
        }
        if !rest.is_empty() {
            return Err("there is more in it than there should be".into());
        }
        Ok(Self { head, intake, cap, partitions })
    }
}

/// What is not the same, if anything is.
fn difference(then: &Identity, now: &Identity) -> Option<(String, String, String)> {
    let pairs = then.iter().zip(now);
    let other = pairs.into_iter().find(|(then, now)| then != now);
    other.map(|((what, then), (_, now))| (what.clone(), then.clone(), now.clone()))
}

/// Counts a checksum of what is written.
struct Summing<W> {
    out: W,
    sum: u32,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum = crc32c::crc32c_append(self.sum, &bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn put(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)
}

/// What is between the magic and the checksum, if both are right.
fn checked(bytes: &[u8]) -> Result<&[u8], Cause> {
    let (content, sum) = bytes.split_last_chunk::<4>().ok_or("it is shorter than its checksum")?;
    let rest = content.strip_prefix(MAGIC).ok_or("it is no checkpoint of a replay")?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*sum) {
        return Err("its checksum is not right".into());
    }
    Ok(rest)
}

fn number(rest: &mut &[u8]) -> Result<usize, Cause> {
    let (number, after) = rest.split_first_chunk::<8>().ok_or("it is cut short")?;
    *rest = after;
    Ok(usize::try_from(u64::from_le_bytes(*number))?)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Cause> {
    let length = number(rest)?;
    let (part, after) = rest.split_at_checked(length).ok_or("it is cut short")?;
    *rest = after;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(inputs: &[&str]) -> Identity {
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        identity("digest", vec![("--scores", "false".to_owned())], inputs)
    }

    fn checkpoint(identity: Identity) -> Checkpoint {
        let told = Told::default();
        let taken_until = Timestamp::from_ms(5);
        Checkpoint {
            head: Head {
                identity,
                sorts: true,
                records: RecordsHead { taken_until, last: None, told },
                merged: MergedHead {
                    counts: Counts::default(),
                    events: EventCounts::default(),
                    received: None,
                },
                results: ResultsHead { lines_bytes: 7, scores: None, observer: Observer::new(0) },
            },
            intake: vec![1, 2],
            cap: vec![3],
            partitions: vec![SavedPartition {
                number: 4,
                state: vec![5; 99],
                cold: vec![(6, vec![7])],
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Checkpoint::read(folder.path(), &any(&[])).unwrap().is_none());
        checkpoint(any(&["a"])).write(folder.path()).unwrap();
        let read = Checkpoint::read(folder.path(), &any(&["a"])).unwrap().unwrap();
        assert_eq!(
            (read.intake, read.cap, read.head.results.lines_bytes),
            (vec![1, 2], vec![3], 7)
        );
        let [partition] = &*read.partitions else { panic!() };
        assert_eq!((partition.number, partition.state.len()), (4, 99));
        assert_eq!(partition.cold, [(6, vec![7])]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        remove(folder.path()).unwrap();
        remove(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_of_another_replay_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(any(&["a", "b"])).write(folder.path()).unwrap();
        let refused =
            |now: Identity| Checkpoint::read(folder.path(), &now).unwrap_err().to_string();
        assert!(
            refused(any(&["a"])).contains("number of inputs is another one: then=`2`, now=`1`")
        );
        assert!(refused(any(&["a", "c"])).contains("input is another one: then=`b`, now=`c`"));
        let other = identity("other", vec![("--scores", "false".to_owned())], Vec::new());
        assert!(refused(other).contains("configuration is another one: then=`digest`"));
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint(any(&[])).write(folder.path()).unwrap();
        let path = path_in(folder.path());
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 4;
            fs::write(&path, damaged).unwrap();
            let read = Checkpoint::read(folder.path(), &any(&[]));
            assert!(matches!(read, Err(HistoryError::Checkpoint { .. })), "byte {place}");
            fs::write(&path, &whole[..place]).unwrap();
            let read = Checkpoint::read(folder.path(), &any(&[]));
            assert!(matches!(read, Err(HistoryError::Checkpoint { .. })), "cut at {place}");
        }
    }
}
