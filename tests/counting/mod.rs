//! The system's allocator, with accounts: one for each thread, as tests run side by side, and one for the process.
//!
//! To count what is allocated there is no safe way: these are the only lines of the tests that need `unsafe`.

// Each test file uses some of it.
#![allow(dead_code, unreachable_pub)]

#[cfg(feature = "tokio")]
pub mod pipe;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicIsize, Ordering},
};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static HELD_BY_ALL: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static ACCOUNT: Cell<Account> = const { Cell::new(Account { held: 0, peak: 0, largest: 0, allocated: 0 }) };
}

/// In bytes: held now, and since [`forget`] held at most, asked for at once, and in all.
#[derive(Clone, Copy)]
struct Account {
    held: isize,
    peak: isize,
    largest: usize,
    allocated: u64,
}

fn book(taken: usize, given_back: usize) {
    let change = taken as isize - given_back as isize;
    HELD_BY_ALL.fetch_add(change, Ordering::Relaxed);
    // A thread that ends may free after its account is gone.
    let _ = ACCOUNT.try_with(|account| {
        let Account { held, peak, largest, allocated } = account.get();
        let held = held + change;
        account.set(Account {
            held,
            peak: peak.max(held),
            largest: largest.max(taken),
            allocated: allocated + taken as u64,
        });
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the trait's contract, which the caller keeps.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        book(layout.size(), 0);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as `alloc`.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        book(0, layout.size());
        // SAFETY: the block came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    // SAFETY: as `alloc`.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // All of it is asked for, as it may be copied.
        book(size, layout.size());
        // SAFETY: the block came from `System` with this layout, and the size is the caller's.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What this thread holds, or less, if it has freed what others have allocated.
pub fn held() -> isize {
    ACCOUNT.get().held
}

/// What all threads hold.
pub fn held_by_all() -> isize {
    HELD_BY_ALL.load(Ordering::Relaxed)
}

/// Begins anew with what follows, but for what is held.
pub fn forget() {
    ACCOUNT.set(Account { peak: held(), largest: 0, allocated: 0, ..ACCOUNT.get() });
}

/// What this thread has held at most.
pub fn peak() -> isize {
    ACCOUNT.get().peak
}

/// The most that it has asked for at once.
pub fn largest() -> usize {
    ACCOUNT.get().largest
}

/// All that it has asked for.
pub fn allocated() -> u64 {
    ACCOUNT.get().allocated
}
