//! Deadlines: which are armed, which are due. Times are durations since a moment that the caller chose.

use core::{num::NonZeroU64, time::Duration};

/// A time or a span, to the nanosecond, in eight bytes, as is the lack of one. Whatever is above 584 years is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(NonZeroU64);

impl Time {
    const FOREVER: Self = Self(NonZeroU64::MAX);

    /// The time that comes a span after this one.
    pub(crate) const fn plus(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.nanos()))
    }

    /// The span from another time to this one; none if that comes later.
    pub(crate) const fn since(self, other: Self) -> Self {
        Self(NonZeroU64::MIN.saturating_add(self.nanos().saturating_sub(other.nanos())))
    }

    pub(crate) const fn to_duration(self) -> Duration {
        if self.0.get() == Self::FOREVER.0.get() {
            return Duration::MAX;
        }
        Duration::from_nanos(self.nanos())
    }

    /// One less than is kept, which is never 0.
    const fn nanos(self) -> u64 {
        self.0.get() - 1
    }
}

impl From<Duration> for Time {
    fn from(duration: Duration) -> Self {
        let nanos = duration.as_secs().saturating_mul(1_000_000_000);
        Self(NonZeroU64::MIN.saturating_add(nanos.saturating_add(duration.subsec_nanos().into())))
    }
}

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
pub(crate) struct Timers([Option<Time>; 4]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Time) {
        self.0[timer as usize] = Some(deadline);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    pub(crate) fn is_due(&self, timer: Timer, now: Time) -> bool {
        self.0[timer as usize].is_some_and(|deadline| deadline <= now)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.0.iter().flatten().min().copied()
    }
}
