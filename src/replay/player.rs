//! A session through a fresh connection.
//!
//! The connection is taken as its two halves, so that what the application said before a Close frame can be said between
//! the call that receives one and the answer to it.

use alloc::{vec, vec::Vec};
use core::{iter::Peekable, time::Duration};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Entry, Fact, Line, Session, Tick, Ticks, Transcript, What,
    align::{Said, differences},
    outbound::{Output, Written, control_frames, recorded, take_apart},
};
use crate::{
    config::Role, connection::Connection, error::TimedOut, event::Event, receive::Receiver, send::Sender,
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

/// Who had a frame queued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    Machine,
    Application,
}

pub(super) struct Player<'a> {
    pub(super) session: &'a Session,
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
    input: BytesMut,
    /// What was read and is not heard yet.
    ahead: BytesMut,
    /// How many bytes were heard, and how many will be before the next tick, which has this number.
    heard: usize,
    horizon: usize,
    next_tick: Option<usize>,
    /// What was written and is not said again yet.
    pub(super) frames: Peekable<vec::IntoIter<Written>>,
    /// How many bytes were written, and how many of them the sender did not have yet.
    pub(super) written: usize,
    owed: usize,
    /// What the sender has said, and who made it say so, frame by frame.
    pub(super) said: BytesMut,
    pub(super) speakers: Vec<Speaker>,
    /// How many bytes the sender was given to say.
    pub(super) queued: usize,
    /// What waited was given up: perhaps a frame that was written then, and waits behind another now.
    is_abandoned: bool,
    /// The pings that were heard, and that the recording has not answered yet.
    pub(super) pings: Vec<Bytes>,
    pub(super) read_at: Duration,
    /// How many keepalive pings the machine made then.
    pub(super) keepalives: usize,
    deadline: Option<Duration>,
    /// What the machine said by itself, then and now, with the lines at which it does so now.
    pub(super) then: Vec<Said>,
    pub(super) now: Vec<Said>,
    lines_now: Vec<usize>,
    /// What the application said.
    pub(super) sent: Vec<Said>,
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
            ahead: BytesMut::new(),
            heard: 0,
            horizon: 0,
            next_tick: None,
            frames: frames.into_iter().peekable(),
            written: 0,
            owed: 0,
            said: BytesMut::new(),
            speakers: Vec::new(),
            queued: 0,
            is_abandoned: false,
            pings: Vec::new(),
            read_at: Duration::ZERO,
            keepalives: 0,
            deadline: None,
            then: Vec::new(),
            now: Vec::new(),
            lines_now: Vec::new(),
            sent: Vec::new(),
            number: 0,
            entries: Vec::new(),
        };
        player.look_ahead();
        if player.runs_deadlines() {
            player.tick(Duration::ZERO, false);
        }
        player
    }

    fn line(&mut self, line: &Line, next: Option<&Line>) {
        let at = line.at;
        while let Some(deadline) = self.deadline.filter(|deadline| self.runs_deadlines() && *deadline < at) {
            self.tick(deadline, false);
            self.take(deadline);
            // A deadline that stays where it is would be met for ever.
            if self.deadline == Some(deadline) {
                break;
            }
        }
        if let Fact::Read(bytes) = &line.fact {
            self.read_at = at;
            self.ahead.extend_from_slice(bytes);
        }
        self.hear(at);
        match &line.fact {
            Fact::Read(_) | Fact::End => {}
            Fact::ReadEnd => self.end(at, false),
            Fact::ReadFailed => self.end(at, true),
            Fact::Wrote(bytes) => {
                self.written += bytes.len();
                self.owed += bytes.len();
                self.say_up_to(self.written, at);
            }
            Fact::WriteFailed => {
                self.note(at, What::Breaks);
                self.abandon(at);
            }
            Fact::Tick(tick) => self.told(at, *tick),
        }
        // Lines of one time are one moment.
        if self.runs_deadlines() && next.is_none_or(|next| next.at > at) {
            self.tick(at, false);
        }
        self.take(at);
        if self.next_tick == Some(self.number) {
            self.look_ahead();
        }
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
        let output = self.said.clone().freeze();
        let frames = take_apart(self.said, self.session.role, &self.session.negotiated);
        let spoken =
            frames.frames.into_iter().filter(|written| written.announced.is_none()).zip(&self.speakers);
        let by_application = spoken.filter(|(_, speaker)| **speaker == Speaker::Application);
        let sent_now: Vec<Said> =
            by_application.zip(&self.sent).map(|((written, _), (at, _))| (*at, written.frame)).collect();
        let sent = if self.is_abandoned { &self.sent[..sent_now.len()] } else { &self.sent };
        self.entries.extend(differences(sent, &sent_now));
        Transcript { entries: self.entries, output }
    }

    /// Whether all output had left at some time after the machine last said something by itself: at a tick, and where these
    /// are not listed, before it reads on.
    fn was_due_to_leave(&self) -> bool {
        let (Some((said_at, _)), Some(number)) = (self.now.last(), self.lines_now.last()) else {
            return false;
        };
        let later = self.session.lines[*number..].iter().filter(|line| line.at > *said_at);
        let ticks_are_listed = self.session.ticks == Ticks::Listed;
        later.take_while(|line| line.fact != Fact::WriteFailed).any(|line| match line.fact {
            Fact::Tick(tick) => tick.unsent == 0,
            Fact::Read(_) | Fact::ReadEnd | Fact::ReadFailed => !ticks_are_listed,
            _ => false,
        })
    }

    /// Finds out how much will have been heard at the next tick.
    fn look_ahead(&mut self) {
        let from = self.next_tick.map_or(0, |tick| tick + 1);
        let mut read = self.heard + self.ahead.len();
        (self.horizon, self.next_tick) = (usize::MAX, None);
        for (number, line) in self.session.lines.iter().enumerate().skip(from) {
            match &line.fact {
                Fact::Read(bytes) => read += bytes.len(),
                Fact::Tick(tick) => {
                    (self.horizon, self.next_tick) = (read.saturating_sub(tick.unheard), Some(number));
                    return;
                }
                _ => {}
            }
        }
    }

    /// Hears what was read, as far as it will have been heard at the next tick.
    fn hear(&mut self, at: Duration) {
        let count = self.horizon.saturating_sub(self.heard).min(self.ahead.len());
        if count > 0 {
            self.heard += count;
            self.input.unsplit(self.ahead.split_to(count));
            self.receive(at);
        }
    }

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

    /// The machine was told the time then, and so it is now.
    fn told(&mut self, at: Duration, tick: Tick) {
        self.take(at);
        if tick.unsent > 0 {
            self.say_what_waits(tick.unsent, at);
        }
        if tick.closing && !self.sender.is_closed() {
            self.say_close(at);
        }
        // What is said in place of a frame that was begun has begun to leave, too.
        self.take(at);
        self.keepalives += usize::from(tick.ping);
        self.tick(at, tick.unread);
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

    fn tick(&mut self, now: Duration, is_unread: bool) {
        if self.sender.timed_out().is_some() {
            return;
        }
        if is_unread {
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

    pub(super) fn note(&mut self, at: Duration, what: What) {
        self.entries.push(Entry { at, what });
    }
}
