//! That a sample of a known series costs no allocation: what a request allocates does not depend on how many samples it holds.
//!
//! Counted is the whole step on one thread: decompression, decoding, look-up, judgement of three detectors, accounting. The engine
//! is warm, so every detector judges, and nothing is remarkable, so no event is told.

#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use bellwether_benches::{Fleet, WarmEngine};

/// The system's allocator, with a count of what it was asked for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: each call is handed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The least and the most allocations of a request of `series` samples, once all are known.
fn allocations_a_request(series: usize) -> (u64, u64) {
    const STEPS: usize = 64;
    let fleet = Fleet::new(series);
    let mut warm = WarmEngine::new(&fleet);
    // Buffers that grow with what a request holds have grown by then.
    for (step, bodies) in warm.next_steps(&fleet, 8) {
        for body in &bodies {
            warm.apply(body, step);
        }
    }
    let mut counts = Vec::new();
    for (step, bodies) in warm.next_steps(&fleet, STEPS) {
        for body in &bodies {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            let judged = warm.apply(body, step);
            counts.push(ALLOCATIONS.load(Ordering::Relaxed) - before);
            assert_eq!(judged, series as u64, "every sample is judged");
        }
    }
    (counts.iter().copied().min().unwrap_or(0), counts.iter().copied().max().unwrap_or(0))
}

#[test]
fn what_a_request_allocates_does_not_depend_on_how_many_samples_it_holds() {
    let [few, many] = [100, 1600].map(allocations_a_request);
    eprintln!("allocations a request: {few:?} of 100 samples, {many:?} of 1600");
    // A few vectors grow with a request, four times from the one to the other; of a sample it would be 1500.
    assert!(many.0 <= few.0 + 16 && many.1 <= few.1 + 16, "{few:?} {many:?}");
}
