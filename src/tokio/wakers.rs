//! The tasks that wait for one stream, each in a place of its own.
//!
//! A stream wakes the task that has polled it last, and a task that stops waiting leaves it so. Where several tasks wait,
//! the stream is polled with a waker that wakes them all.

use core::{mem, task::Waker};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Wake,
    vec::Vec,
};

/// Where a task waits. The first two are fixed, the others are given out by the halves of a connection.
pub(super) type Place = usize;

/// The place of the task that receives.
pub(super) const RECEIVING: Place = 0;
/// The place of the task that sends, if there is one.
pub(super) const SENDING: Place = 1;
/// The place of a task that does not wait.
pub(super) const NOWHERE: Place = usize::MAX;

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Something was received.
    Received,
    /// Something can be queued in this lane, or a control frame.
    Room(Option<Place>),
    /// What was queued up to this position in the output has left.
    Sent(u64),
    /// The connection is over.
    Over,
}

#[derive(Debug)]
struct Waiting {
    place: Place,
    waker: Waker,
    until: Until,
}

#[derive(Debug, Default)]
pub(super) struct Wakers {
    /// The only task that waits, as long as two were never seen.
    one: Option<Waiting>,
    many: Option<Arc<Many>>,
}

impl Wakers {
    /// Enters a task that is about to poll; returns what to poll the stream with, if others wait as well.
    pub(super) fn enter(&mut self, place: Place, waker: &Waker, until: Until) -> Option<Waker> {
        let other = self.one.take().filter(|one| one.place != place);
        if self.many.is_none() && other.is_none() {
            return None;
        }
        let many = self.many.get_or_insert_default();
        many.waiting().extend(other);
        many.set(Waiting { place, waker: waker.clone(), until });
        Some(many.clone().into())
    }

    /// The task that has entered goes on waiting.
    pub(super) fn wait(&mut self, place: Place, waker: &Waker, until: Until) {
        match &self.many {
            Some(many) => many.change(place, until),
            None => self.one = Some(Waiting { place, waker: waker.clone(), until }),
        }
    }

    /// The task does not wait any more.
    pub(super) fn leave(&mut self, place: Place) {
        self.one.take_if(|one| one.place == place);
        if let Some(many) = &self.many {
            many.waiting().retain(|waiting| waiting.place != place);
        }
    }

    /// Whether a task waits in this place.
    pub(super) fn is_taken(&self, place: Place) -> bool {
        let is_here = |waiting: &Waiting| waiting.place == place;
        match &self.many {
            Some(many) => many.waiting().iter().any(is_here),
            None => self.one.iter().any(is_here),
        }
    }

    /// The tasks in other places that have something to do.
    pub(super) fn due(&self, place: Place, is_due: impl Fn(Until) -> bool) -> Due {
        let is_other = |waiting: &&Waiting| waiting.place != place && is_due(waiting.until);
        let waker = |waiting: &Waiting| waiting.waker.clone();
        let one = self.one.iter().filter(is_other).map(waker);
        match &self.many {
            Some(many) => Due(many.waiting().iter().filter(is_other).map(waker).collect()),
            None => Due(one.collect()),
        }
    }
}

/// Tasks to wake, once nothing is locked.
#[derive(Debug)]
#[must_use]
pub(super) struct Due(Vec<Waker>);

impl Due {
    pub(super) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

/// All tasks that wait.
#[derive(Debug, Default)]
struct Many(Mutex<Vec<Waiting>>);

impl Many {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, place: Place, until: Until) {
        self.waiting().iter_mut().filter(|waiting| waiting.place == place).for_each(|it| it.until = until);
    }

    fn set(&self, new: Waiting) {
        let mut all = self.waiting();
        match all.iter_mut().find(|waiting| waiting.place == new.place) {
            Some(waiting) => drop(mem::replace(waiting, new)),
            None => all.push(new),
        }
    }
}

impl Wake for Many {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers: Vec<Waker> = self.waiting().iter().map(|waiting| waiting.waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}
