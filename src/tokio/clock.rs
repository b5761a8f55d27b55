//! The time since a connection began, and one alarm.

use core::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::boxed::Box;

use ::tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// Made when there is first something to wait for, and set anew only when the deadline moves.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), alarm: None }
    }

    /// The same time, with an alarm of its own.
    pub(super) const fn same(&self) -> Self {
        Self { start: self.start, alarm: None }
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Ready when `deadline` has come; without one, never.
    pub(super) fn poll_until(&mut self, deadline: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = deadline.and_then(|deadline| self.start.checked_add(deadline)) else {
            return Poll::Pending;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        alarm.as_mut().poll(cx)
    }
}
