//! Deadlines: which are armed, which are due. Times are durations since a moment that the caller chose.

use core::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Send a ping if nothing has been heard.
    Ping,
    /// Something must have been heard.
    Pong,
    /// Some output must have left.
    Write,
    /// The closing handshake must be over.
    Close,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers([Option<Duration>; 4]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Duration) {
        self.0[timer as usize] = Some(deadline);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    pub(crate) fn is_due(&self, timer: Timer, now: Duration) -> bool {
        self.0[timer as usize].is_some_and(|deadline| deadline <= now)
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.0.iter().flatten().min().copied()
    }
}
