//! A session through a fresh connection.
//!
//! The connection is taken as its two halves, so that what the application said before a Close frame can be said between
//! the call that receives one and the answer to it.

use alloc::{vec, vec::Vec};
use core::{iter::Peekable, time::Duration};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Entry, Fact, Line, Session, Ticks, Transcript, Wait, What,
    align::{Said, differences},
    outbound::{Output, Written, control_frames, recorded, take_apart},
};
use crate::{
    config::{Compress, Keepalive, Role},
    connection::Connection,
    error::{SendError, TimedOut},
    event::{Chunk, Event, Kind, Message},
    frame::{CloseFrame, OpCode},
    receive::Receiver,
    send::Sender,
    text::Text,
};

/// Plays a session to its end.
pub(super) fn play(session: &Session) -> Transcript {
    let Output { frames, unreadable } = recorded(session);
    let mut player = Player::new(session, frames);
    for (number, line) in session.lines.iter().enumerate() {
        player.number = number;
        player.line(line, session.lines.get(number + 1));
    }
    player.finish(unreadable)
}

/// Tells a sender the time, and perhaps that nothing was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tick {
    Read,
    Unread,
}

/// Who had a frame queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Machine,
    Application,
}

struct Player<'a> {
    session: &'a Session,
    receiver: Receiver,
    sender: Sender,
    input: BytesMut,
    /// What was written and is not said again yet.
    frames: Peekable<vec::IntoIter<Written>>,
    /// How many bytes were written, and how many of them the sender did not have yet.
    written: usize,
    owed: usize,
    /// What the sender has said, and who made it say so, frame by frame.
    said: BytesMut,
    speakers: Vec<Speaker>,
    /// How many bytes the sender was given to say.
    queued: usize,
    is_abandoned: bool,
    /// The pings that were heard, and that the recording has not answered yet.
    pings: Vec<Bytes>,
    heard_at: Duration,
    deadline: Option<Duration>,
    /// What the machine said by itself, then and now, with the lines at which it does so now.
    then: Vec<Said>,
    now: Vec<Said>,
    lines_now: Vec<usize>,
    /// What the application said.
    sent: Vec<Said>,
    number: usize,
    entries: Vec<Entry>,
}

impl<'a> Player<'a> {
    fn new(session: &'a Session, frames: Vec<Written>) -> Self {
        let mut config = session.config.clone();
        // What was said had room; when it was queued is not recorded.
        config.limits.unsent = usize::MAX;
        let negotiated = session.negotiated.clone();
        let mut keys = frames.iter().map(|written| written.key).collect::<Vec<_>>().into_iter();
        let connection = match session.role {
            Role::Server => Connection::server(&config, negotiated),
            Role::Client => Connection::client(&config, negotiated, move || keys.next().unwrap_or_default()),
        };
        let (receiver, sender) = connection.into_halves();
        let mut player = Self {
            session,
            receiver,
            sender,
            input: BytesMut::new(),
            frames: frames.into_iter().peekable(),
            written: 0,
            owed: 0,
            said: BytesMut::new(),
            speakers: Vec::new(),
            queued: 0,
            is_abandoned: false,
            pings: Vec::new(),
            heard_at: Duration::ZERO,
            deadline: None,
            then: Vec::new(),
            now: Vec::new(),
            lines_now: Vec::new(),
            sent: Vec::new(),
            number: 0,
            entries: Vec::new(),
        };
        if player.runs_deadlines() {
            player.tick(Duration::ZERO, Tick::Read);
        }
        player
    }

    fn line(&mut self, line: &Line, next: Option<&Line>) {
        let at = line.at;
        while let Some(deadline) = self.deadline.filter(|deadline| self.runs_deadlines() && *deadline < at) {
            self.tick(deadline, Tick::Read);
            self.take(deadline);
            // A deadline that stays where it is would be met for ever.
            if self.deadline == Some(deadline) {
                break;
            }
        }
        match &line.fact {
            Fact::Read(bytes) => {
                self.heard_at = at;
                self.input.extend_from_slice(bytes);
                self.receive(at);
            }
            Fact::ReadEnd => self.end(at, false),
            Fact::ReadFailed => self.end(at, true),
            Fact::Wrote(bytes) => {
                self.written += bytes.len();
                self.owed += bytes.len();
                let is_told = self.receiver.received_close().is_some() || self.receiver.error().is_some();
                while let Some(written) = self.frames.next_if(|frame| frame.start < self.written) {
                    self.say(written, at, is_told);
                }
            }
            Fact::WriteFailed => {
                self.note(at, What::Breaks);
                self.abandon(at);
            }
            Fact::Waits(wait) if self.session.ticks == Ticks::Waits => {
                self.tick(at, if *wait == Wait::Output { Tick::Unread } else { Tick::Read });
            }
            Fact::Waits(_) | Fact::End => {}
        }
        // Lines of one time are one moment.
        if self.runs_deadlines() && next.is_none_or(|next| next.at > at) {
            self.tick(at, Tick::Read);
        }
        self.take(at);
    }

    fn finish(mut self, unreadable: Option<usize>) -> Transcript {
        let at = self.session.lines.last().map_or(Duration::ZERO, |line| line.at);
        if let Some(from) = unreadable {
            self.note(at, What::Unreadable(from));
        }
        if self.session.lines.last().is_none_or(|line| line.fact != Fact::End) {
            self.note(at, What::CutOff);
        }
        self.owed = usize::MAX;
        self.take(at);
        // What is said at the very end may not have left in time.
        while self.now.len() > self.then.len() && !self.was_due_to_leave() {
            self.now.pop();
            self.lines_now.pop();
        }
        self.entries.extend(differences(&self.then, &self.now));
        let frames = take_apart(self.said, self.session.role, &self.session.negotiated);
        let spoken = frames.frames.into_iter().zip(&self.speakers);
        let by_application = spoken.filter(|(_, speaker)| **speaker == Speaker::Application);
        let sent_now: Vec<Said> =
            by_application.zip(&self.sent).map(|((written, _), (at, _))| (*at, written.frame)).collect();
        let sent = if self.is_abandoned { &self.sent[..sent_now.len()] } else { &self.sent };
        self.entries.extend(differences(sent, &sent_now));
        Transcript { entries: self.entries }
    }

    /// Whether the connection read or waited, with nothing left to write, after it last said something by itself.
    fn was_due_to_leave(&self) -> bool {
        let (Some((said_at, _)), Some(number)) = (self.now.last(), self.lines_now.last()) else {
            return false;
        };
        let later = self.session.lines[*number..].iter().filter(|line| line.at > *said_at);
        later.take_while(|line| line.fact != Fact::WriteFailed).any(|line| {
            matches!(line.fact, Fact::Read(_) | Fact::ReadEnd | Fact::ReadFailed | Fact::Waits(Wait::Input))
        })
    }

    /// Hears all that was read.
    fn receive(&mut self, at: Duration) {
        while self.sender.timed_out().is_none() {
            let had_failed = self.receiver.error().is_some();
            let received = self.receiver.receive(&mut self.input);
            match &received {
                Ok(None) => return,
                Ok(Some(event)) => {
                    if let Event::Ping(payload) = event {
                        self.pings.push(payload.clone());
                    }
                    self.note(at, What::Hears(event.clone()));
                }
                Err(_) if had_failed => return,
                Err(error) => self.note(at, What::Fails(*error)),
            }
            if matches!(received, Ok(Some(Event::Close(_))) | Err(_)) {
                self.say_rest(at);
            }
            self.sender.reply(&received);
            self.listen(at);
        }
        self.input.clear();
    }

    fn end(&mut self, at: Duration, is_failure: bool) {
        self.note(at, What::Ends);
        self.say_rest(at);
        let had_failed = self.receiver.error().is_some();
        self.sender.receive_eof();
        let ended = self.receiver.receive_eof();
        if let (Err(error), false) = (ended, had_failed) {
            self.note(at, What::Fails(error));
        }
        if ended.is_err() || is_failure {
            self.abandon(at);
        }
    }

    fn abandon(&mut self, at: Duration) {
        self.sender.abandon();
        self.listen(at);
    }

    fn tick(&mut self, now: Duration, tick: Tick) {
        if self.sender.timed_out().is_some() {
            return;
        }
        if tick == Tick::Unread {
            self.sender.excuse_silence(now);
        }
        match self.sender.tick(now, self.receiver.heard()) {
            Ok(deadline) => self.deadline = deadline,
            Err(timed_out) => self.expire(now, timed_out),
        }
        self.listen(now);
    }

    fn expire(&mut self, now: Duration, timed_out: TimedOut) {
        self.deadline = None;
        self.note(now, What::Expires(timed_out));
    }

    /// Whether each deadline is met: until the stream is closed.
    fn runs_deadlines(&self) -> bool {
        let has_heard_all = match self.session.role {
            Role::Server => self.receiver.received_close().is_some() || self.receiver.is_eof(),
            Role::Client => self.receiver.is_eof(),
        };
        self.session.ticks == Ticks::Deadlines && !(has_heard_all && self.sender.unsent() == 0)
    }

    /// Says what the application has said before the connection closes.
    fn say_rest(&mut self, at: Duration) {
        let rest: Vec<_> = self.frames.by_ref().collect();
        for written in rest {
            self.say(written, at, true);
        }
    }

    /// Says a frame of the recording again, unless that is for the machine to do.
    fn say(&mut self, written: Written, at: Duration, has_reason_to_close: bool) {
        if !self.is_reply(&written, has_reason_to_close) {
            return self.send(written, at);
        }
        if written.frame.opcode == OpCode::Pong {
            self.answered(&written.frame.payload);
        }
        self.then.push((written.at, written.frame));
    }

    /// Whether the machine made this frame by itself; a Close frame, if it has reason to.
    fn is_reply(&self, written: &Written, has_reason_to_close: bool) -> bool {
        let payload = &written.frame.payload;
        match written.frame.opcode {
            OpCode::Pong => self.pings.contains(payload),
            OpCode::Close => has_reason_to_close,
            OpCode::Ping => {
                let silence = written.at.saturating_sub(self.heard_at);
                let is_silent = |keepalive: Keepalive| silence >= keepalive.interval;
                payload.is_empty() && self.session.config.keepalive.is_some_and(is_silent)
            }
            OpCode::Continuation | OpCode::Text | OpCode::Binary => false,
        }
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
                self.speakers.push(Speaker::Application);
                self.queued = self.said.len() + self.sender.transmit().remaining();
            }
            Err(error) => self.note(at, What::Refuses(error)),
        }
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

    /// Takes as many bytes from the sender as were written.
    fn take(&mut self, at: Duration) {
        loop {
            let transmit = self.sender.transmit();
            let len = transmit.chunk().len().min(self.owed);
            if len == 0 {
                return;
            }
            self.said.extend_from_slice(&transmit.chunk()[..len]);
            transmit.advance(len);
            self.owed -= len;
            self.listen(at);
        }
    }

    /// Notes what the machine has said by itself since it was last listened to.
    fn listen(&mut self, at: Duration) {
        let transmit = self.sender.transmit();
        let queued = self.said.len() + transmit.remaining();
        self.is_abandoned |= queued < self.queued;
        let fresh: Vec<_> = control_frames(transmit.last(queued.saturating_sub(self.queued))).collect();
        self.queued = queued;
        for frame in fresh {
            self.note(at, What::Says(frame.clone()));
            self.now.push((at, frame));
            self.lines_now.push(self.number);
            self.speakers.push(Speaker::Machine);
        }
    }

    fn note(&mut self, at: Duration, what: What) {
        self.entries.push(Entry { at, what });
    }
}

fn message(kind: Kind, payload: Bytes) -> Result<Message, SendError> {
    Ok(match kind {
        Kind::Text => Message::Text(Text::try_from(payload).map_err(|_| SendError::NotUtf8)?),
        Kind::Binary => Message::Binary(payload),
    })
}
