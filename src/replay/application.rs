//! What the application said, said again.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use bytes::{Buf, Bytes};

use super::{
    Frame, Ticks, What,
    align::Said,
    outbound::Written,
    player::{Player, Speaker},
};
use crate::{
    config::{Compress, Keepalive, Pings, Role},
    error::SendError,
    event::{Chunk, Kind, Message},
    frame::{CloseCode, CloseFrame, MAX_CONTROL, OpCode},
    text::Text,
};

impl Player<'_> {
    /// Says what the application has said before the connection closes.
    pub(super) fn say_rest(&mut self, at: Duration) {
        let rest: Vec<_> = self.frames.by_ref().collect();
        for written in rest {
            self.say(written, at, true);
        }
    }

    /// Says a frame of the recording again, unless that is for the machine to do.
    pub(super) fn say(&mut self, written: Written, at: Duration, has_reason_to_close: bool) {
        if let Some(len) = written.announced {
            return self.begin(written, len, at);
        }
        if !self.is_reply(&written, has_reason_to_close) {
            return self.send(written, at);
        }
        if written.frame.opcode == OpCode::Pong {
            self.answered(&written.frame.payload);
        }
        self.then.push((written.at, written.frame));
    }

    /// Says what begins before this byte of the output.
    pub(super) fn say_up_to(&mut self, end: usize, at: Duration) {
        while let Some(written) = self.frames.next_if(|frame| frame.start < end) {
            self.say(written, at, self.has_reason_to_close());
        }
    }

    /// Says what waits in the output: so many bytes, which may never be written.
    pub(super) fn say_what_waits(&mut self, count: usize, at: Duration) {
        self.say_up_to(self.written.saturating_add(count), at);
        if self.sender.unsent() == 0 && self.frames.peek().is_none() {
            // It is not known what they say. After a Close frame, they are none of the application's. A ping can be said within
            // a message too, and this one is longer than what can have left of a header or a control frame.
            if self.sender.ping(vec![b'?'; MAX_CONTROL]).is_ok() {
                self.spoke();
            }
        }
    }

    /// Says a Close frame that was not written, or not to its end: it has to wait in the output.
    pub(super) fn say_close(&mut self, at: Duration) {
        self.say_rest(at);
        let frame = CloseFrame::new(CloseCode::NORMAL, "?".repeat(MAX_CONTROL - 2));
        if self.sender.close(frame.ok()).is_ok() {
            self.spoke();
        }
    }

    /// Whether the peer has closed, or broken a rule.
    pub(super) fn has_reason_to_close(&self) -> bool {
        self.receiver.received_close().is_some() || self.receiver.error().is_some()
    }

    /// Whether the machine made this frame by itself; a Close frame, if it has reason to.
    fn is_reply(&self, written: &Written, has_reason_to_close: bool) -> bool {
        let payload = &written.frame.payload;
        match written.frame.opcode {
            OpCode::Pong => self.session.config.pings == Pings::Answered && self.pings.contains(payload),
            OpCode::Close => has_reason_to_close,
            OpCode::Ping => payload.is_empty() && self.is_keepalive(written.at),
            OpCode::Continuation | OpCode::Text | OpCode::Binary => false,
        }
    }

    /// Whether the machine made a ping that was written at this time. It is known where ticks are listed, and guessed where
    /// they are not.
    fn is_keepalive(&self, at: Duration) -> bool {
        let pings = |said: &[Said]| said.iter().filter(|(_, frame)| frame.opcode == OpCode::Ping).count();
        let silence = at.saturating_sub(self.read_at);
        let is_silent = |keepalive: Keepalive| silence >= keepalive.interval;
        self.keepalives > pings(&self.then)
            || self.session.ticks == Ticks::Deadlines
                && (self.session.config.keepalive.is_some_and(is_silent)
                    || pings(&self.now) > pings(&self.then))
    }

    /// §5.5.3: a pong answers its ping, and those before it.
    fn answered(&mut self, payload: &Bytes) {
        if let Some(ping) = self.pings.iter().position(|ping| ping == payload) {
            self.pings.drain(..=ping);
        }
    }

    fn send(&mut self, written: Written, at: Duration) {
        self.note(at, What::Sends(written.frame.clone()));
        let frame = written.frame.clone();
        match self.queue(written) {
            Ok(()) => {
                self.sent.push((at, frame));
                self.spoke();
            }
            Err(error) => self.note(at, What::Refuses(error)),
        }
    }

    /// Says something in place of a frame that was never written to its end: it has to wait in the output.
    fn begin(&mut self, written: Written, len: u64, at: Duration) {
        let Frame { opcode, payload, .. } = written.frame;
        self.note(at, What::Begins(opcode, len));
        let said = match opcode {
            OpCode::Continuation => {
                self.sender.send_chunk(Chunk { kind: written.kind, data: payload, fin: written.frame.fin })
            }
            _ => self.sender.send_with(Message::Binary(payload), Compress::Never),
        };
        match said {
            Ok(()) => self.spoke(),
            Err(error) => self.note(at, What::Refuses(error)),
        }
    }

    /// Counts a frame that the application has just said.
    fn spoke(&mut self) {
        self.speakers.push(Speaker::Application);
        self.queued = self.said.len() + self.sender.transmit().remaining();
    }

    fn queue(&mut self, written: Written) -> Result<(), SendError> {
        let Written { frame, kind, is_inflated, .. } = written;
        // A message that its sender could have left as it is was a chunk, of which that is not asked.
        let is_chunk =
            !frame.fin || frame.opcode == OpCode::Continuation || is_inflated && !self.takes_over();
        match frame.opcode {
            OpCode::Ping => self.sender.ping(frame.payload),
            OpCode::Pong => self.sender.pong(frame.payload),
            OpCode::Close => self.sender.close(CloseFrame::parse(&frame.payload).unwrap_or_default()),
            _ if is_chunk => self.sender.send_chunk(Chunk { kind, data: frame.payload, fin: frame.fin }),
            _ => {
                let compress = if frame.compressed { Compress::Always } else { Compress::Never };
                self.sender.send_with(message(kind, frame.payload)?, compress)
            }
        }
    }

    /// Whether our compressor keeps its context from message to message.
    fn takes_over(&self) -> bool {
        self.session.negotiated.deflate.is_some_and(|params| match self.session.role {
            Role::Client => params.client().takeover,
            Role::Server => params.server().takeover,
        })
    }
}

fn message(kind: Kind, payload: Bytes) -> Result<Message, SendError> {
    Ok(match kind {
        Kind::Text => Message::Text(Text::try_from(payload).map_err(|_| SendError::NotUtf8)?),
        Kind::Binary => Message::Binary(payload),
    })
}
