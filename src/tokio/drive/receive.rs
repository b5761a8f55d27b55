//! What was received, for whoever asks for it.

use core::task::{Context, Poll, ready};
use std::boxed::Box;

use ::tokio::io::{AsyncRead, AsyncWrite};

use super::{Driver, Listener};
use crate::{
    config::Pings,
    event::{Chunk, Event, Message},
    tokio::{
        Ended, Error,
        pump::TURNS,
        view::{CHUNKS, DATA, EVENTS, QUESTIONS},
    },
};

/// What was received and not yet asked for.
#[derive(Debug)]
pub(super) enum Held {
    Event(Event),
    Chunk(Chunk),
}

/// What the application asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Message,
    Event,
    /// A chunk that did not end its message.
    Chunk,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// The next message, or how it ended. What is left of one that was received in chunks is skipped.
    #[inline]
    pub(in crate::tokio) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        self.ask(Asked::Message);
        if let Some(Held::Event(Event::Data(message))) = self.held.take().map(|held| *held) {
            return Poll::Ready(Ok(Some(message)));
        }
        self.pump.poll_message(cx)
    }

    /// The next message or control frame, or how it ended.
    pub(in crate::tokio) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, Error>> {
        self.ask(Asked::Event);
        match self.held.take().map(|held| *held) {
            Some(Held::Event(event)) => Poll::Ready(Ok(Some(event))),
            _ => self.pump.poll_view(cx, &EVENTS),
        }
    }

    /// The next piece of a message, or how it ended.
    pub(in crate::tokio) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Chunk>, Error>> {
        let received = match self.held.take().map(|held| *held) {
            Some(Held::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Held::Event(Event::Data(message))) => Ok(Some(message.into())),
            _ => {
                self.ask(self.asked);
                ready!(self.pump.poll_view(cx, &CHUNKS))
            }
        };
        let is_begun = matches!(&received, Ok(Some(chunk)) if !chunk.fin);
        self.ask(if is_begun { Asked::Chunk } else { Asked::Message });
        Poll::Ready(received)
    }

    /// The first piece of the next message, or how it ended. What is left of the one before is skipped.
    pub(in crate::tokio) fn poll_first_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Chunk>, Error>> {
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

    /// Ready when the closing handshake is over, one way or another. Messages that still come are dropped.
    pub(in crate::tokio) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
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
    pub(in crate::tokio) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let _ = self.poll_attend(cx);
        self.pump.ended().map_or(Poll::Pending, Poll::Ready)
    }

    /// All that receiving does, up to the next message, which is held until the application asks for it. Ready when the
    /// connection is over.
    pub(super) fn poll_attend(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.listener == Listener::Nobody {
            return self.poll_close(cx).map(|_| ());
        }
        if self.held.is_none() {
            let held = match self.asked {
                Asked::Chunk => ready!(self.pump.poll_view(cx, &CHUNKS)).map(|held| held.map(Held::Chunk)),
                Asked::Event => ready!(self.poll_events(cx)).map(|held| held.map(Held::Event)),
                Asked::Message => ready!(self.pump.poll_view(cx, &DATA)).map(|held| held.map(Held::Event)),
            };
            match held {
                Ok(Some(held)) => self.held = Some(Box::new(held)),
                Ok(None) | Err(_) => return Poll::Ready(()),
            }
        }
        self.pump.poll_unread(cx)
    }

    fn ask(&mut self, asked: Asked) {
        self.asked = asked;
        self.has_sent = false;
    }

    /// What is held of events: all for a task that receives; for one that only sends, what it has to answer.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, Error>> {
        match (self.listener, self.pump.connection.sender().pings()) {
            (Listener::Other, _) => self.pump.poll_view(cx, &EVENTS),
            (_, Pings::Shown) => self.pump.poll_view(cx, &QUESTIONS),
            (_, Pings::Answered) => self.pump.poll_view(cx, &DATA),
        }
    }
}
