//! Rings the alarms of all connections, from one thread.
//!
//! A timer of the runtime would be looked at each time that the runtime waits, message by message, though deadlines
//! come once in half a minute. This thread sleeps up to the next one, and is there only while alarms are set.

use core::{mem, panic::AssertUnwindSafe, task::Waker, time::Duration};
use std::{
    collections::BTreeMap,
    panic,
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
    vec::Vec,
};

/// Alarms are rung in steps, so that those of thousands of connections are rung together.
const STEP: Duration = Duration::from_millis(8);
/// How often the thread looks whether it is still needed.
const STAY: Duration = Duration::from_secs(5);

static BELL: LazyLock<Bell> = LazyLock::new(|| Bell {
    start: Instant::now(),
    alarms: Mutex::new(Alarms { set: BTreeMap::new(), last: 0, is_attended: false }),
    news: Condvar::new(),
});

/// When an alarm is rung, and which one it is.
type Key = (u64, u64);

struct Bell {
    start: Instant,
    alarms: Mutex<Alarms>,
    /// An alarm was set that is before all others.
    news: Condvar,
}

struct Alarms {
    set: BTreeMap<Key, Waker>,
    /// The number of the last one.
    last: u64,
    /// The thread is there.
    is_attended: bool,
}

impl Alarms {
    /// Those that are to be rung in this step or one before.
    fn take_due(&mut self, step: u64) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(first) = self.set.first_entry().filter(|first| first.key().0 <= step) {
            due.push(first.remove());
        }
        due
    }
}

/// An alarm that is set, until it is dropped.
#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) at: Instant,
    number: u64,
}

impl Alarm {
    /// Has the task woken at this time, or a few milliseconds later; `None` where no thread can be had.
    pub(super) fn set(at: Instant, waker: Waker) -> Option<Self> {
        let mut alarms = BELL.alarms();
        if !mem::replace(&mut alarms.is_attended, true) {
            let thread = thread::Builder::new().name("sansocket".into());
            if thread.spawn(|| BELL.attend()).is_err() {
                alarms.is_attended = false;
                return None;
            }
        }
        alarms.last += 1;
        let alarm = Self { at, number: alarms.last };
        alarms.set.insert(alarm.key(), waker);
        if alarms.set.first_key_value().is_some_and(|(first, _)| *first == alarm.key()) {
            BELL.news.notify_one();
        }
        Some(alarm)
    }

    fn key(&self) -> Key {
        (BELL.step(self.at), self.number)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let waker = BELL.alarms().set.remove(&self.key());
        // Not before the lock is gone: a task that ends with it may have an alarm of its own.
        drop(waker);
    }
}

impl Bell {
    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first step that does not begin before this time.
    fn step(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(nanos.div_ceil(STEP.as_nanos())).unwrap_or(u64::MAX)
    }

    /// Rings what is due, for as long as alarms are set.
    fn attend(&self) {
        let mut alarms = self.alarms();
        loop {
            let now = Instant::now();
            let due = alarms.take_due(self.begun(now));
            if !due.is_empty() {
                drop(alarms);
                due.into_iter().for_each(wake);
                alarms = self.alarms();
                continue;
            }
            let until = alarms.set.first_key_value().map_or(STAY, |((step, _), _)| self.time(*step, now));
            let waited = self.news.wait_timeout(alarms, until.min(STAY));
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            alarms = after;
            if timeout.timed_out() && alarms.set.is_empty() {
                alarms.is_attended = false;
                return;
            }
        }
    }

    /// The last step that has begun.
    fn begun(&self, now: Instant) -> u64 {
        u64::try_from((now - self.start).as_nanos() / STEP.as_nanos()).unwrap_or(u64::MAX)
    }

    /// How long it is until a step begins.
    fn time(&self, step: u64, now: Instant) -> Duration {
        let begins = Duration::from_millis(step.saturating_mul(STEP.as_millis() as u64));
        begins.saturating_sub(now - self.start)
    }
}

/// A waker that panics is the runtime's loss, and not that of all other connections.
fn wake(waker: Waker) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
}
