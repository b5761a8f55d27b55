//! One connection in several hands. The lock is held for a poll, never across an await.

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    drive::Driver,
    wakers::{Place, SENDING},
};

#[derive(Debug)]
pub(super) struct Split<T> {
    driver: Mutex<Driver<T>>,
    /// The last place that was given out.
    places: AtomicU32,
}

impl<T> Split<T> {
    pub(super) const fn new(driver: Driver<T>) -> Self {
        Self { driver: Mutex::new(driver), places: AtomicU32::new(SENDING) }
    }

    /// A place that nobody has.
    pub(super) fn place(&self) -> Place {
        self.places.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Driver<T>> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that does not wait, and wakes the tasks for which it is news.
    pub(super) fn with<R>(&self, call: impl FnOnce(&mut Driver<T>) -> R) -> R {
        let (called, due) = self.lock().with(call);
        due.wake();
        called
    }

    pub(super) fn into_driver(self) -> Driver<T> {
        self.driver.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
