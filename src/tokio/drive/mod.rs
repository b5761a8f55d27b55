//! Who asks the pump for what: tasks that receive, tasks that send, and tasks that do both by turns.

mod receive;
mod send;

use core::task::{Context, Poll};
use std::boxed::Box;

use ::tokio::io::{AsyncRead, AsyncWrite};
use bytes::BytesMut;

use super::{
    pump::Pump,
    wakers::{Due, NOWHERE, Place, SENDING, Until, Waiting, Wakers},
};
use crate::connection::{Connection, State};
use receive::{Asked, Held};

/// What can change while a task polls.
#[derive(Clone, Copy, Debug)]
struct Glance {
    state: State,
    has_output: bool,
    is_held: bool,
    listener: Listener,
}

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// The task that sends, by turns.
    Same,
    /// A task of its own.
    Other,
    /// Nobody: what comes is dropped.
    Nobody,
}

#[derive(Debug)]
pub(super) struct Driver<T> {
    pub(super) pump: Pump<T>,
    wakers: Wakers,
    /// What came while the application was only sending.
    held: Option<Box<Held>>,
    asked: Asked,
    listener: Listener,
    /// Something was sent since the listener last asked for more: it may be busy with something else.
    has_sent: bool,
    /// Whose message it is that is being sent in chunks.
    lane: Place,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    pub(super) fn new(io: T, connection: Connection, input: BytesMut) -> Self {
        Self {
            pump: Pump::new(io, connection, input),
            wakers: Wakers::default(),
            held: None,
            asked: Asked::Message,
            listener: Listener::Same,
            has_sent: false,
            lane: SENDING,
        }
    }

    /// Polls for the only task there is: who it is need not be known.
    #[inline]
    pub(super) fn poll_alone<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let polled = poll(self, cx);
        self.pump.tell();
        polled
    }

    /// Polls for the task in this place, which may come to wait for something else; tasks in others that have something to
    /// do are returned.
    pub(super) fn poll<R>(
        &mut self,
        place: Place,
        until: &mut Until,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Until, &mut Context<'_>) -> Poll<R>,
    ) -> (Poll<R>, Due) {
        let before = self.glance();
        let polled = match self.wakers.enter(place, cx.waker(), *until) {
            Some(all) => poll(self, until, &mut Context::from_waker(&all)),
            None => poll(self, until, cx),
        };
        self.pump.tell();
        if polled.is_pending() {
            self.wakers.wait(place, cx.waker(), *until);
        } else {
            // It is being polled: this is not the last of its wakers.
            drop(self.wakers.leave(place));
        }
        let is_left = polled.is_ready() && self.is_work_left(before);
        (polled, self.wakers.due(place, |until| is_left || self.is_met(until)))
    }
}

impl<T> Driver<T> {
    /// Does something that does not wait; the tasks that have something to do are returned.
    pub(super) fn with<R>(&mut self, call: impl FnOnce(&mut Self) -> R) -> (R, Due) {
        let before = self.glance();
        let called = call(self);
        self.pump.tell();
        let is_left = self.is_work_left(before);
        (called, self.wakers.due(NOWHERE, |until| is_left || self.is_met(until)))
    }

    /// Whether no task waits.
    pub(super) const fn is_alone(&self) -> bool {
        self.wakers.is_empty()
    }

    /// A task gives up its place. What it leaves there is to be dropped once nothing is locked.
    pub(super) fn leave(&mut self, place: Place) -> Option<Waiting> {
        self.wakers.leave(place)
    }

    /// Says that several tasks wait from now on, whose wakers are not called while the halves are locked.
    pub(super) fn share(&mut self) {
        self.wakers.share();
    }

    /// Says that nobody waits.
    pub(super) fn forget_tasks(&mut self) {
        self.wakers.forget();
    }

    /// Says who receives from now on.
    pub(super) const fn set_listener(&mut self, listener: Listener) {
        self.listener = listener;
        self.has_sent = false;
    }

    fn glance(&self) -> Glance {
        let connection = &self.pump.connection;
        Glance {
            state: connection.state(),
            has_output: connection.sender().transmittable() > 0,
            is_held: self.held.is_some(),
            listener: self.listener,
        }
    }

    /// Whether there is output to write, a deadline to keep or a stream to read that no task which waits can know of.
    fn is_work_left(&self, before: Glance) -> bool {
        let now = self.glance();
        let has_new_output = now.has_output && !before.has_output;
        // What is behind it may be a ping.
        let is_taken = before.is_held && !now.is_held;
        let is_deserted = now.listener == Listener::Nobody && before.listener != Listener::Nobody;
        has_new_output || is_taken || is_deserted || now.state != before.state
    }

    fn is_met(&self, until: Until) -> bool {
        match until {
            Until::Received => self.held.is_some() || self.pump.is_over(),
            Until::Room(lane) => self.has_room(lane),
            Until::Sent(position) => {
                self.pump.is_sent(position) || self.pump.is_lost() || self.pump.is_over()
            }
            Until::Over => self.pump.is_over(),
        }
    }
}
