//! Damage that comes to files while no process runs.

use bellwether_runtime::storage::Storage;

use crate::simulation::Simulation;
use crate::truth::Truth;

/// A segment that is no longer counts as one that was never begun.
const HEADER_BYTES: usize = 68;
/// The end of a file that is so much shorter is within a record.
const SHORT_CUT_BYTES: usize = 20;

impl Simulation {
    /// Now and then something is damaged that is there twice, or of which somebody must be told.
    pub(crate) fn damage(&mut self) -> Result<(), String> {
        if self.random.one_in(3) {
            self.damage_newest_checkpoint();
        }
        if self.plan.damages_journal && !self.is_calm && self.of_damage.one_in(8) {
            self.damage_journal()?;
        }
        Ok(())
    }

    /// A bit of the newest checkpoint flips, if there is another one to fall back to.
    fn damage_newest_checkpoint(&mut self) {
        let Ok(files) = self.storage.list("checkpoint") else { return };
        let mut whole: Vec<String> = files
            .into_iter()
            .map(|file| format!("checkpoint/{}", file.name))
            .filter(|path| path.ends_with(".checkpoint") && !self.damaged.contains(path))
            .collect();
        let Some(newest) = whole.pop().filter(|_| !whole.is_empty()) else { return };
        let Some(mut bytes) = self.storage.content(&newest) else { return };
        let byte = self.random.below(bytes.len());
        bytes[byte] ^= 1 << self.random.below(8);
        self.storage.put(&newest, bytes);
        self.trace.note(&format!("{newest} is damaged"));
        self.damaged.insert(newest);
    }

    /// A bit of a segment flips, or its end is gone. Records that were in it may be lost from now on.
    fn damage_journal(&mut self) -> Result<(), String> {
        let Ok(mut files) = self.storage.list("journal") else { return Ok(()) };
        files.retain(|file| file.bytes > (HEADER_BYTES + SHORT_CUT_BYTES) as u64);
        let number = self.of_damage.below(files.len());
        let is_newest = self.of_damage.one_in(2) || number + 1 == files.len();
        let file = if is_newest { files.last() } else { files.get(number) };
        let Some(path) = file.map(|file| format!("journal/{}", file.name)) else { return Ok(()) };
        let Some(mut bytes) = self.storage.content(&path) else { return Ok(()) };
        let (before, _) = Truth::read(&self.storage, u64::MAX)?;
        if self.of_damage.one_in(2) {
            let byte = self.of_damage.below(bytes.len());
            bytes[byte] ^= 1 << self.of_damage.below(8);
            self.trace.note(&format!("{path} has a wrong bit in byte {byte}"));
        } else {
            let most = if is_newest { SHORT_CUT_BYTES } else { bytes.len() - HEADER_BYTES };
            let cut = 1 + self.of_damage.below(most);
            bytes.truncate(bytes.len() - cut);
            self.trace.note(&format!("{path} is {cut} bytes short"));
        }
        self.storage.put(&path, bytes);
        self.seen.damages += 1;
        let (after, _) = Truth::read(&self.storage, u64::MAX)?;
        let gone =
            before.0.iter().filter(|(sequence, record)| after.0.get(sequence) != Some(record));
        self.gone.extend(gone.map(|(&sequence, _)| sequence));
        Ok(())
    }
}
