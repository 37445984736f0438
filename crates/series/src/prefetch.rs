//! Asks for memory before it is needed.
//!
//! What is known of a large fleet does not fit into the caches, and a sample needs a dozen lines of it: without asking ahead,
//! waiting for them takes a third of the time of a sample (`benches/README.md`).

/// Size of a cache line.
const LINE_BYTES: usize = 64;

/// Has the processor fetch `value` into its caches, without waiting for it. A hint, which changes no result; elsewhere than
/// on x86-64 it does nothing.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T) {
    prefetch_first(value, size_of_val(value));
}

/// The same with no more than the first `bytes` of `value`, where the rest is seldom needed.
#[expect(
    unsafe_code,
    reason = "a prefetch accesses nothing, and there is no safe way to ask for one"
)]
#[inline]
pub fn prefetch_first<T: ?Sized>(value: &T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first = std::ptr::from_ref(value).cast::<i8>();
        for offset in (0..size_of_val(value).min(bytes)).step_by(LINE_BYTES) {
            // SAFETY: a prefetch neither reads nor writes, and does not fault, whatever the address is.
            unsafe { _mm_prefetch(first.wrapping_add(offset), _MM_HINT_T0) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.ci/accept` runs this under valgrind, which sees whoever touches what is not theirs.
    #[test]
    fn nothing_is_touched_wherever_it_lies_and_however_short_it_is() {
        let page: Vec<u8> = (0..=255).cycle().take(4 * LINE_BYTES + 3).collect();
        let before = page.clone();
        for start in 0..page.len() {
            for bytes in [0, 1, LINE_BYTES, LINE_BYTES + 1, usize::MAX] {
                prefetch_first(&page[start..], bytes);
                prefetch_first(&page[..start], bytes);
            }
            prefetch(&page[start]);
        }
        // Boxes end where memory of others may begin; nothing has no place.
        prefetch(&*Box::new([0_u8; LINE_BYTES]));
        prefetch(&[0_u64; 0]);
        prefetch("");
        assert_eq!(page, before);
    }
}
