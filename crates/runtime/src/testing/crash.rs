//! What a crash makes of a storage in memory.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Disk;

/// Disks write this many bytes or none of them.
const SECTOR_BYTES: usize = 512;

/// The content of a file, whatever it is called.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) content: Vec<u8>,
    /// So many bytes were synced, but for those in `doubtful`.
    pub(super) synced_bytes: usize,
    /// What a failed sync was to write.
    pub(super) doubtful: Vec<Range<usize>>,
}

/// A change of names that is not durable yet.
pub(super) enum NameChange {
    Create { path: String, inode: usize },
    Rename { from: String, to: String, inode: usize },
    Remove { path: String },
}

impl NameChange {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Create { path, .. } | Self::Remove { path } | Self::Rename { to: path, .. } => {
                path
            }
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create { path, inode } => _ = names.insert(path.clone(), *inode),
            Self::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Remove { path } => _ = names.remove(path),
        }
    }
}

impl Disk {
    /// A number below `bound`; 0 when that is 0. `SplitMix64`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    pub(super) fn crash(&mut self) {
        self.epoch += 1;
        self.fault = None;
        self.stop = None;
        // Any of the names, but each from before or after a change, never in between.
        for change in std::mem::take(&mut self.name_changes) {
            if self.below(2) == 0 {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        for index in 0..self.inodes.len() {
            let mut inode = std::mem::take(&mut self.inodes[index]);
            self.tear(&mut inode);
            self.inodes[index] = inode;
        }
    }

    fn tear(&mut self, inode: &mut Inode) {
        for range in std::mem::take(&mut inode.doubtful) {
            if self.below(2) == 0 {
                inode.content[range].fill(0);
            }
        }
        let unsynced = inode.content.len() - inode.synced_bytes;
        let kept = inode.synced_bytes + self.below(unsynced as u64 + 1) as usize;
        inode.content.truncate(kept);
        // The length can be on disk before the bytes are: then there are zeros.
        let whole_sectors = self.below(2) == 0;
        for sector in inode.content[inode.synced_bytes..].chunks_mut(SECTOR_BYTES) {
            if !whole_sectors && self.below(2) == 0 {
                sector.fill(0);
            }
        }
        inode.synced_bytes = inode.content.len();
    }
}
