//! The tasks that wait for one stream, each in a place of its own.
//!
//! A stream wakes the task that has polled it last, and a task that stops waiting leaves it so. Where several tasks wait,
//! the stream is polled with a waker that wakes them all; if it calls while it is being polled, and the halves are locked,
//! they are woken afterwards.

use core::{mem, task::Waker};
use std::{
    boxed::Box,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Wake,
    vec,
    vec::Vec,
};

/// Where a task waits. The first two are fixed, the others are given out by the halves of a connection.
pub(super) type Place = u32;

/// The place of the task that receives.
pub(super) const RECEIVING: Place = 0;
/// The place of the task that sends, if there is one.
pub(super) const SENDING: Place = 1;
/// The place of a task that does not wait.
pub(super) const NOWHERE: Place = u32::MAX;

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
pub(super) struct Waiting {
    place: Place,
    waker: Waker,
    until: Until,
    /// It was woken, and has not come back.
    is_called: bool,
}

impl Waiting {
    fn new(place: Place, waker: &Waker, until: Until) -> Self {
        Self { place, waker: waker.clone(), until, is_called: false }
    }

    fn call(&mut self) -> Waker {
        self.is_called = true;
        self.waker.clone()
    }
}

#[derive(Debug, Default)]
pub(super) enum Wakers {
    #[default]
    Nobody,
    /// The only task that waits, as long as two were never seen.
    One(Box<Waiting>),
    Many(Arc<Many>),
}

impl Wakers {
    /// Whether no task waits, and two were never seen.
    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    /// Enters a task that is about to poll; returns what to poll the stream with, if others wait as well.
    pub(super) fn enter(&mut self, place: Place, waker: &Waker, until: Until) -> Option<Waker> {
        match self {
            Self::Nobody => return None,
            Self::One(one) if one.place == place => return None,
            Self::One(_) | Self::Many(_) => {}
        }
        let many = self.many();
        let mut tasks = many.tasks();
        tasks.set(Waiting::new(place, waker, until));
        tasks.call = Call::Kept;
        drop(tasks);
        Some(many.into())
    }

    /// From now on there are several tasks.
    pub(super) fn share(&mut self) {
        self.many();
    }

    fn many(&mut self) -> Arc<Many> {
        let many = match mem::take(self) {
            Self::Nobody => Arc::default(),
            Self::One(one) => Arc::new(Many(Mutex::new(Tasks { waiting: vec![*one], ..Tasks::default() }))),
            Self::Many(many) => many,
        };
        *self = Self::Many(many.clone());
        many
    }

    /// Nobody waits any more.
    pub(super) fn forget(&mut self) {
        // The stream may still know it.
        if let Self::Many(many) = mem::take(self) {
            let gone = mem::take(&mut *many.tasks());
            drop(gone);
        }
    }

    /// The task that has entered goes on waiting.
    pub(super) fn wait(&mut self, place: Place, waker: &Waker, until: Until) {
        match self {
            Self::Nobody => *self = Self::One(Box::new(Waiting::new(place, waker, until))),
            Self::One(one) => **one = Waiting::new(place, waker, until),
            Self::Many(many) => many.tasks().change(place, until),
        }
    }

    /// The task does not wait any more. What it leaves is to be dropped once nothing is locked.
    pub(super) fn leave(&mut self, place: Place) -> Option<Waiting> {
        match mem::take(self) {
            Self::One(one) if one.place == place => return Some(*one),
            others => *self = others,
        }
        if let Self::Many(many) = self { many.tasks().take(place) } else { None }
    }

    /// Whether a task waits in this place, and has not stopped without a word: then it does not come when it is called.
    pub(super) fn is_taken(&self, place: Place) -> bool {
        let is_here = |waiting: &Waiting| waiting.place == place && !waiting.is_called;
        match self {
            Self::Nobody => false,
            Self::One(one) => is_here(one),
            Self::Many(many) => many.tasks().waiting.iter().any(is_here),
        }
    }

    /// The tasks in other places that have something to do, or all if the stream has called while it was polled. Who was
    /// called and has not come back is not called again: it may be this task, which has stopped waiting there.
    pub(super) fn due(&self, place: Place, is_due: impl Fn(Until) -> bool) -> Due {
        let is_other = |waiting: &Waiting| waiting.place != place && is_due(waiting.until);
        let many = match self {
            Self::Many(many) => many,
            Self::One(one) if is_other(one) => return Due { called: vec![one.waker.clone()], _gone: None },
            Self::Nobody | Self::One(_) => return Due { called: Vec::new(), _gone: None },
        };
        let mut tasks = many.tasks();
        let called = match mem::take(&mut tasks.call) {
            Call::Came => tasks.call(|_| true),
            _ => tasks.call(|waiting| !waiting.is_called && is_other(waiting)),
        };
        Due { called, _gone: tasks.gone.take() }
    }
}

/// Tasks to wake once nothing is locked, and one to forget: with its waker a task may be dropped, and with that a half of
/// this very connection.
#[derive(Debug)]
#[must_use]
pub(super) struct Due {
    called: Vec<Waker>,
    _gone: Option<Waiting>,
}

impl Due {
    pub(super) fn wake(self) {
        self.called.into_iter().for_each(Waker::wake);
    }
}

/// What becomes of a call from the stream.
#[derive(Debug, Default)]
enum Call {
    /// It wakes all tasks.
    #[default]
    Passed,
    /// It is kept: a task polls, and the halves are locked.
    Kept,
    /// One has come and was kept.
    Came,
}

#[derive(Debug, Default)]
struct Tasks {
    waiting: Vec<Waiting>,
    /// Whose place another one has taken.
    gone: Option<Waiting>,
    call: Call,
}

impl Tasks {
    fn call(&mut self, whom: impl Fn(&Waiting) -> bool) -> Vec<Waker> {
        self.waiting.iter_mut().filter(|waiting| whom(waiting)).map(Waiting::call).collect()
    }

    fn change(&mut self, place: Place, until: Until) {
        self.waiting.iter_mut().filter(|waiting| waiting.place == place).for_each(|it| it.until = until);
    }

    fn set(&mut self, new: Waiting) {
        match self.waiting.iter_mut().find(|waiting| waiting.place == new.place) {
            Some(waiting) => self.gone = Some(mem::replace(waiting, new)),
            None => self.waiting.push(new),
        }
    }

    fn take(&mut self, place: Place) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.place == place)?;
        Some(self.waiting.swap_remove(at))
    }
}

/// All tasks that wait.
#[derive(Debug, Default)]
pub(super) struct Many(Mutex<Tasks>);

impl Many {
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> Vec<Waker> {
        let mut tasks = self.tasks();
        if !matches!(tasks.call, Call::Passed) {
            tasks.call = Call::Came;
            return Vec::new();
        }
        tasks.call(|_| true)
    }
}

impl Wake for Many {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call().into_iter().for_each(Waker::wake);
    }
}
