//! Who asks the pump for what: tasks that receive, tasks that send, and tasks that do both by turns.

use core::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite};
use bytes::BytesMut;

use super::{
    Ended, Error, NotSent,
    pump::{Pump, TURNS},
    trace,
    view::{CHUNKS, DATA, EVENTS, MESSAGES, QUESTIONS, View},
    wakers::{Due, NOWHERE, Place, RECEIVING, SENDING, Until, Wakers},
};
use crate::{
    config::Pings,
    connection::{Connection, State},
    error::SendError,
    event::{Chunk, Event, Message},
    frame::{CloseCode, CloseFrame},
    send::Outgoing,
};

/// What was received and not yet asked for.
#[derive(Debug)]
enum Held {
    Event(Event),
    Chunk(Chunk),
}

/// What the application asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Message,
    Event,
    /// A chunk that did not end its message.
    Chunk,
}

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
    /// The task that sends, and it has sent since it last received.
    Busy,
    /// A task of its own.
    Other,
    /// A task of its own, and a sender has sent since it last received: it may be busy with something else.
    Away,
    /// Nobody: what comes is dropped.
    Nobody,
}

#[derive(Debug)]
pub(super) struct Driver<T> {
    pub(super) pump: Pump<T>,
    wakers: Wakers,
    /// What came while the application was only sending.
    held: Option<Held>,
    asked: Asked,
    listener: Listener,
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
            lane: SENDING,
        }
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
            self.wakers.leave(place);
        }
        let is_left = polled.is_ready() && self.is_work_left(before);
        (polled, self.wakers.due(place, |until| is_left || self.is_met(until)))
    }

    /// The next message, or how it ended. What is left of one that was received in chunks is skipped.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.ask(Asked::Message);
        match self.held.take() {
            Some(Held::Event(Event::Data(message))) => Poll::Ready(Ok(Some(message))),
            _ => self.pump.poll_next(cx, &MESSAGES),
        }
    }

    /// The next message or control frame, or how it ended.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, Error>> {
        self.ask(Asked::Event);
        match self.held.take() {
            Some(Held::Event(event)) => Poll::Ready(Ok(Some(event))),
            _ => self.pump.poll_next(cx, &EVENTS),
        }
    }

    /// The next piece of a message, or how it ended.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        let received = match self.held.take() {
            Some(Held::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Held::Event(Event::Data(message))) => Ok(Some(message.into())),
            _ => {
                self.ask(self.asked);
                ready!(self.pump.poll_next(cx, &CHUNKS))
            }
        };
        let is_begun = matches!(&received, Ok(Some(chunk)) if !chunk.fin);
        self.ask(if is_begun { Asked::Chunk } else { Asked::Message });
        Poll::Ready(received)
    }

    /// The first piece of the next message, or how it ended. What is left of the one before is skipped.
    pub(super) fn poll_first_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        for _ in 0..TURNS {
            let is_within = self.asked == Asked::Chunk;
            let chunk = ready!(self.poll_chunk(cx));
            if !is_within || !matches!(chunk, Ok(Some(_))) {
                return Poll::Ready(chunk);
            }
        }
        self.pump.yield_now(cx);
        Poll::Pending
    }

    /// Ready when `accept` has queued something, with the position where it ends, or why nothing can be queued. Control
    /// frames have no lane: they go between the fragments of any message (§5.4).
    pub(super) fn poll_accept(
        &mut self,
        lane: Option<Place>,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Poll<Result<u64, Error>> {
        if !self.has_room(lane) {
            let _ = self.poll_attend(cx);
        }
        if let Err(error) = self.pump.check_open() {
            return Poll::Ready(Err(error));
        }
        if !self.has_room(lane) {
            return Poll::Pending;
        }
        accept(&mut self.pump.connection)?;
        trace::queued(self.pump.connection.unsent());
        match lane {
            Some(lane) => self.lane = lane,
            // The round trip of a ping begins here.
            None => self.pump.mark(),
        }
        Poll::Ready(Ok(self.pump.position()))
    }

    /// Ready when `accept` has queued something and that is with the system.
    pub(super) fn poll_send(
        &mut self,
        lane: Option<Place>,
        until: &mut Until,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Poll<Result<(), Error>> {
        let position = match *until {
            Until::Sent(position) => position,
            _ => ready!(self.poll_accept(lane, cx, accept))?,
        };
        *until = Until::Sent(position);
        self.poll_sent(position, cx)
    }

    /// Ready when all that was queued up to this position is with the system.
    pub(super) fn poll_sent(&mut self, position: u64, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.pump.poll_write(cx).is_pending() || self.is_deaf() {
            let _ = self.poll_attend(cx);
        }
        self.listener = match self.listener {
            Listener::Same => Listener::Busy,
            Listener::Other => Listener::Away,
            listener => listener,
        };
        if self.pump.is_sent(position) {
            return Poll::Ready(self.pump.check_stream());
        }
        if self.pump.is_lost() { Poll::Ready(Err(self.pump.loss())) } else { Poll::Pending }
    }

    /// Ready when the closing handshake is over, one way or another. Messages that still come are dropped.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.held = None;
        for _ in 0..TURNS {
            if !matches!(ready!(self.poll_message(cx)), Ok(Some(_))) {
                break;
            }
        }
        if let Some(ended) = self.pump.ended() {
            return Poll::Ready(ended);
        }
        self.pump.yield_now(cx);
        Poll::Pending
    }

    /// Ready when the connection is over. Messages are left to who receives them.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let _ = self.poll_attend(cx);
        self.pump.ended().map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether nobody may be there to receive: an application that never asks for messages has its pings answered all the
    /// same.
    fn is_deaf(&self) -> bool {
        match self.listener {
            Listener::Same | Listener::Other => false,
            Listener::Away => !self.wakers.is_taken(RECEIVING),
            Listener::Busy | Listener::Nobody => true,
        }
    }

    fn ask(&mut self, asked: Asked) {
        self.asked = asked;
        self.listener = match self.listener {
            Listener::Busy => Listener::Same,
            Listener::Away => Listener::Other,
            listener => listener,
        };
    }

    /// All that receiving does, up to the next message, which is held until the application asks for it. Ready when the
    /// connection is over.
    fn poll_attend(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.listener == Listener::Nobody {
            return self.poll_close(cx).map(|_| ());
        }
        if self.held.is_none() {
            let held = match self.asked {
                Asked::Chunk => ready!(self.pump.poll_next(cx, &CHUNKS)).map(|held| held.map(Held::Chunk)),
                Asked::Event => {
                    ready!(self.pump.poll_next(cx, self.events())).map(|held| held.map(Held::Event))
                }
                Asked::Message => ready!(self.pump.poll_next(cx, &MESSAGES))
                    .map(|held| held.map(|message| Held::Event(Event::Data(message)))),
            };
            match held {
                Ok(Some(held)) => self.held = Some(held),
                Ok(None) | Err(_) => return Poll::Ready(()),
            }
        }
        self.pump.poll_unread(cx)
    }
}

impl<T> Driver<T> {
    /// What is held of events: all for a task that receives; for one that only sends, what it has to answer.
    fn events(&self) -> &'static View<Message, Event> {
        match (self.listener, self.pump.connection.sender().pings()) {
            (Listener::Other | Listener::Away, _) => &EVENTS,
            (_, Pings::Shown) => &QUESTIONS,
            (_, Pings::Answered) => &DATA,
        }
    }

    /// Does something that does not wait; the tasks that have something to do are returned.
    pub(super) fn with<R>(&mut self, call: impl FnOnce(&mut Self) -> R) -> (R, Due) {
        let before = self.glance();
        let called = call(self);
        self.pump.tell();
        let is_left = self.is_work_left(before);
        (called, self.wakers.due(NOWHERE, |until| is_left || self.is_met(until)))
    }

    /// A task gives up its place.
    pub(super) fn leave(&mut self, place: Place) {
        self.wakers.leave(place);
    }

    /// Queues a message at once, or gives it back.
    pub(super) fn try_send(&mut self, message: Outgoing) -> Result<(), NotSent> {
        if let Err(error) = self.pump.connection.check_send() {
            return Err(NotSent { message, error });
        }
        // It cannot fail after the check.
        let _ = self.pump.connection.send(message);
        Ok(())
    }

    /// The sender in this lane is gone: a message that it has left unfinished must not look finished (§5.4).
    pub(super) fn release(&mut self, lane: Place) {
        if self.lane == lane && self.pump.connection.is_message_open() {
            let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "message abandoned");
            // An error says that the connection is closing already.
            let _ = self.pump.connection.close(frame.ok());
        }
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
    }

    /// What was begun in one lane goes on in another.
    pub(super) fn move_lane(&mut self, from: Place, to: Place) {
        if self.lane == from {
            self.lane = to;
        }
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

    /// Whether something can be queued, or refused at once. A message that was begun in another lane is waited for.
    fn has_room(&self, lane: Option<Place>) -> bool {
        match self.pump.connection.check_send() {
            Err(SendError::Full) => false,
            Err(SendError::MessageOpen) => lane.is_none_or(|lane| lane == self.lane),
            _ => true,
        }
    }
}
