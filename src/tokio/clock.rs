//! The time since a connection began, and one alarm.

use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::boxed::Box;

use ::tokio::time::{Instant, Sleep, sleep_until};

use super::bell;

#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// Set when there is first something to wait for, and anew only when the deadline moves.
    alarm: Option<Alarm>,
}

#[derive(Debug)]
struct Alarm {
    /// Whom it wakes.
    waker: Waker,
    rung_by: RungBy,
}

#[derive(Debug)]
enum RungBy {
    Bell(bell::Alarm),
    /// A timer of the runtime, where its time is not the system's, as in tests that turn the clock.
    Runtime(Pin<Box<Sleep>>),
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

    /// A moment of this clock, as the time since it began.
    pub(super) fn since(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }

    /// Whether the alarm is set, for this task and after this moment.
    pub(super) fn is_set(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let is_fit = |alarm: &&mut Alarm| now < alarm.at() && alarm.waker.will_wake(cx.waker());
        match self.alarm.as_mut().filter(is_fit).map(|alarm| &mut alarm.rung_by) {
            Some(RungBy::Bell(_)) => true,
            // A task that has used up its turn is woken at once, and its timer not set.
            Some(RungBy::Runtime(sleep)) => sleep.as_mut().poll(cx).is_pending(),
            None => false,
        }
    }

    /// Ready when `deadline` has come; without one, never.
    pub(super) fn poll_until(&mut self, deadline: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = deadline.and_then(|deadline| self.start.checked_add(deadline)) else {
            self.alarm = None;
            return Poll::Pending;
        };
        let now = Instant::now();
        if now >= at {
            return Poll::Ready(());
        }
        let is_same = self.alarm.as_ref().is_some_and(|alarm| alarm.at() == at);
        if !is_same || !self.is_set(now, cx) {
            self.alarm = Some(Alarm::set(at, cx));
        }
        Poll::Pending
    }

    /// What `poll` gives, if that is before the deadline.
    pub(super) fn within<R>(
        &mut self,
        deadline: Duration,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> impl Future<Output = Option<R>> {
        poll_fn(move |cx| match poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll_until(Some(deadline), cx).map(|()| None),
        })
    }
}

impl Alarm {
    fn set(at: Instant, cx: &mut Context<'_>) -> Self {
        let waker = cx.waker();
        let alarm = if is_real() { bell::Alarm::set(at.into_std(), waker.clone()) } else { None };
        Self { waker: waker.clone(), rung_by: alarm.map_or_else(|| sleep(at, cx), RungBy::Bell) }
    }

    fn at(&self) -> Instant {
        match &self.rung_by {
            RungBy::Bell(alarm) => alarm.at.into(),
            RungBy::Runtime(sleep) => sleep.deadline(),
        }
    }
}

fn sleep(at: Instant, cx: &mut Context<'_>) -> RungBy {
    let mut sleep = Box::pin(sleep_until(at));
    if sleep.as_mut().poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
    RungBy::Runtime(sleep)
}

/// Whether the time of the runtime is the system's.
fn is_real() -> bool {
    let before = std::time::Instant::now();
    let now = Instant::now().into_std();
    before <= now && now <= std::time::Instant::now()
}
