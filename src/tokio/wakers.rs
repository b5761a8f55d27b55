//! The tasks that wait for one stream: one that receives, and one that sends.
//!
//! A stream wakes the task that has polled it last, and a task that stops waiting leaves it so. Where two tasks wait, as
//! the two ends of a split `Stream` and `Sink` do, the stream is polled with a waker that wakes them both.

use core::task::Waker;
use std::{
    sync::{Arc, Mutex, PoisonError},
    task::Wake,
};

use crate::connection::State;

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Receiving,
    Sending,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Receiving => Self::Sending,
            Self::Sending => Self::Receiving,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Wakers {
    waiting: [Option<Waiting>; 2],
    /// Made when two tasks are first seen.
    both: Option<Arc<Both>>,
}

/// A task that was told to wait, and the state of the connection that it then saw.
#[derive(Debug)]
struct Waiting {
    waker: Waker,
    state: State,
}

impl Wakers {
    /// What to poll the stream with for this task: a waker of both sides, if another task waits on the other one.
    pub(super) fn enter(&mut self, side: Side, waker: &Waker) -> Option<Waker> {
        self.waiting[side as usize] = None;
        let other = self.waiting[side.other() as usize].as_ref().map(|other| &other.waker);
        if self.both.is_none() && other.is_none_or(|other| other.will_wake(waker)) {
            return None;
        }
        let both = self.both.get_or_insert_default();
        both.set(side, Some(waker));
        both.set(side.other(), other);
        Some(both.clone().into())
    }

    /// Notes that the task waits.
    pub(super) fn wait(&mut self, side: Side, waker: &Waker, state: State) {
        self.waiting[side as usize] = Some(Waiting { waker: waker.clone(), state });
    }

    /// The state that a task which waits on this side has seen.
    pub(super) fn seen(&self, side: Side) -> Option<State> {
        self.waiting[side as usize].as_ref().map(|waiting| waiting.state)
    }

    /// Wakes the task that waits on this side.
    pub(super) fn wake(&mut self, side: Side) {
        if let Some(waiting) = self.waiting[side as usize].take() {
            waiting.waker.wake();
        }
    }
}

#[derive(Debug, Default)]
struct Both(Mutex<[Option<Waker>; 2]>);

impl Both {
    fn set(&self, side: Side, waker: Option<&Waker>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[side as usize] = waker.cloned();
    }
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}
