//! Two connections that talk to each other: what one says, the other hears. RFC 6455 §5, §7.

use std::{collections::VecDeque, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use sansocket::{
    Chunk, CloseCode, CloseFrame, Config, Connection, Event, Keepalive, Kind, Limits, Message, Negotiated,
    Outgoing, Overflow, Pings, Posted, Prepared, ProtocolError, SendError, State, TimedOut, deflate::Params,
};

use super::source::Source;

const MAX_STEPS: usize = 200;
/// What all messages of a run may come to: enough for each form of length, and quick.
const MAX_SAID: usize = 300_000;

/// What a posted message takes besides its payload.
const ENTRY: usize = 256;

/// The input is settings and a list of steps. Whatever the two say and however it is delivered: neither hears a
/// breach of the protocol, all that was accepted for sending arrives in order, what was posted arrives or was dropped as
/// its policy says, pings are answered, a close ends both, and a refusal has the reason that it names.
pub fn pair(data: &[u8]) {
    let mut source = Source::new(data);
    let mut pair = Pair::new(source.byte());
    for _ in 0..MAX_STEPS {
        if source.is_empty() {
            break;
        }
        pair.step(&mut source);
    }
    pair.deliver_all();
    for end in [Who::Client, Who::Server] {
        pair.agrees(end);
    }
    pair.shuts_down();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Client,
    Server,
}

struct Pair {
    client: End,
    server: End,
    /// Bytes of messages that may still be said.
    budget: usize,
}

/// One of the two, with what it has said and heard.
struct End {
    connection: Connection,
    limits: Limits,
    pings: Pings,
    now: Duration,
    input: BytesMut,
    in_chunks: bool,
    said: Speech,
    /// What was posted and is not encoded.
    posted: VecDeque<Message>,
    /// Messages that were encoded.
    encoded: u64,
    heard: Speech,
    /// It was told that the stream has ended, or gave up on the peer: it hears nothing more.
    is_deaf: bool,
    /// It gave up on writing: what waited is lost.
    is_mute: bool,
    /// Its output has been at the limit above which not every ping is answered.
    was_crowded: bool,
    /// It has heard nothing since its last keepalive ping.
    is_in_silence: bool,
}

/// What a call that is refused does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trace {
    unsent: usize,
    frames: u64,
}

/// One direction of the conversation.
#[derive(Debug, Default)]
struct Speech {
    messages: Vec<Message>,
    /// The message that is being said in chunks.
    open: Option<(Kind, Vec<u8>)>,
    pings: Vec<Bytes>,
    /// Pongs that nobody asked for begin with a `!`, pings never do.
    unasked: Vec<Bytes>,
    answers: Vec<Bytes>,
}

impl Speech {
    fn chunk(&mut self, chunk: &Chunk) {
        let (kind, payload) = self.open.get_or_insert_with(|| (chunk.kind, Vec::new()));
        assert_eq!(*kind, chunk.kind);
        payload.extend_from_slice(&chunk.data);
        let Some((kind, payload)) = self.open.take_if(|_| chunk.fin) else { return };
        self.messages.push(match kind {
            Kind::Text => Message::from(String::from_utf8(payload).expect("text is UTF-8")),
            Kind::Binary => Message::from(payload),
        });
    }
}

impl Pair {
    /// Settings: small limits, the chunk view and pings that are shown, for each end; compression, with takeover or not.
    fn new(settings: u8) -> Self {
        let mut counter = 0_u32;
        let keys = move || {
            counter = counter.wrapping_add(0x0102_0408);
            counter.to_be_bytes()
        };
        let params = match settings & 0xC0 {
            0x40 => Some(Params::new()),
            0x80 => Some(Params::new().server_no_context_takeover()),
            0xC0 => Some(Params::new().server_no_context_takeover().client_no_context_takeover()),
            _ => None,
        };
        let mut negotiated = Negotiated::default();
        negotiated.deflate = params;
        let client = config(settings & 1 != 0, settings & 0x10 != 0);
        let server = config(settings & 2 != 0, settings & 0x20 != 0);
        Self {
            client: End::new(
                Connection::client(&client, negotiated.clone(), keys),
                &client,
                settings & 4 != 0,
            ),
            server: End::new(Connection::server(&server, negotiated), &server, settings & 8 != 0),
            budget: MAX_SAID,
        }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        let what = source.byte();
        let who = if what & 0x80 == 0 { Who::Client } else { Who::Server };
        let budget = self.budget;
        let (end, _) = self.ends(who);
        let unsent = end.connection.unsent();
        match what & 0xF {
            0 => end.send(Message::from(text(size(source.byte()).min(budget)))),
            1 => end.send(Message::from(vec![source.byte(); size(source.byte()).min(budget)])),
            2 | 3 => end.send_chunk(&chunk(what, source)),
            4 => end.ping(source),
            5 => end.pong(source),
            6 => end.close(source),
            7 => self.deliver(who, source.byte().into()),
            8 => self.deliver(who, usize::MAX),
            9 => end.tick(Duration::from_millis(50) * source.byte().into()),
            10 => end.reach_eof(),
            11 => end.abandon(),
            12 => end.post(source.byte(), Message::from(text(size(source.byte()).min(budget)))),
            13 => end.send_prepared(Message::from(text(size(source.byte()).min(budget)))),
            // Nothing, so that the interesting steps are not drowned by the rare ends.
            _ => {}
        }
        let (end, _) = self.ends(who);
        end.was_crowded |= end.connection.unsent() >= end.limits.control;
        let grown = end.connection.unsent().saturating_sub(unsent);
        self.budget = self.budget.saturating_sub(grown);
    }

    fn ends(&mut self, who: Who) -> (&mut End, &mut End) {
        match who {
            Who::Client => (&mut self.client, &mut self.server),
            Who::Server => (&mut self.server, &mut self.client),
        }
    }

    /// Takes up to `max` bytes from one end to the other.
    fn deliver(&mut self, from: Who, max: usize) {
        let (from, to) = self.ends(from);
        let waiting = from.connection.transmit();
        let len = waiting.remaining().min(max);
        let bytes = waiting.copy_to_bytes(len);
        from.encode();
        if !to.is_deaf {
            to.input.extend_from_slice(&bytes);
            to.listen();
        }
        to.encode();
        to.was_crowded |= to.connection.unsent() >= to.limits.control;
    }

    fn deliver_all(&mut self) {
        // Pings wait for pongs, and pongs for room: it ends, since nothing answers an answer.
        for _ in 0..4 {
            self.deliver(Who::Client, usize::MAX);
            self.deliver(Who::Server, usize::MAX);
            // The pong that waited for room is written when the rest is.
            self.deliver(Who::Client, usize::MAX);
            self.deliver(Who::Server, usize::MAX);
        }
        for end in [&self.client, &self.server] {
            assert!(end.posted.is_empty() || end.said.open.is_some(), "what is posted leaves");
            assert_eq!(end.connection.unsent(), end.waiting(), "all has left, but for what waits for us");
        }
    }

    /// What one end said is what the other has heard, or the beginning of it if something was lost.
    fn agrees(&mut self, from: Who) {
        let (from, to) = self.ends(from);
        let (said, heard) = (&from.said, &to.heard);
        if from.is_mute || to.is_deaf {
            assert!(said.messages.starts_with(&heard.messages));
            assert!(said.pings.starts_with(&heard.pings));
            assert!(said.unasked.starts_with(&heard.unasked));
            return;
        }
        assert_eq!(said.messages, heard.messages);
        assert_eq!(said.pings, heard.pings);
        assert_eq!(said.unasked, heard.unasked);
        assert_eq!(from.connection.sent_close(), to.connection.received_close());
        if to.in_chunks {
            let begun = said.open.as_ref().filter(|(_, payload)| !payload.is_empty());
            assert_eq!(begun, heard.open.as_ref(), "the message that is open");
        }
        assert_eq!(from.connection.sent().messages, to.connection.received().messages);
        if from.pings == Pings::Shown {
            assert!(heard.answers.is_empty(), "pings are left to the application");
            return;
        }
        // §5.5.2, §5.5.3: pings are answered in order, up to our Close frame; in a crowd only the latest is.
        let mut pings = from.heard.pings.iter();
        assert!(heard.answers.iter().all(|answer| pings.any(|ping| ping == answer)));
        if from.connection.sent_close().is_none() && !from.is_deaf {
            assert_eq!(heard.answers.last(), from.heard.pings.last(), "the latest ping is answered");
            assert!(from.was_crowded || heard.answers == from.heard.pings, "each ping is answered");
        }
    }

    /// §7.1.1: the server closes the stream, then the client; a close that both took part in is a clean one.
    fn shuts_down(&mut self) {
        let (client, server) = (&mut self.client, &mut self.server);
        let is_lossy = |end: &End| end.is_deaf || end.is_mute;
        if is_lossy(client) || is_lossy(server) {
            return;
        }
        let has_closed = client.connection.sent_close().is_some();
        assert_eq!(has_closed, server.connection.sent_close().is_some(), "a Close frame is answered");
        let state = if has_closed { State::Closed } else { State::Open };
        assert_eq!((client.connection.state(), server.connection.state()), (state, state));
        assert_eq!(server.connection.wants_shutdown(), has_closed);
        assert!(!client.connection.wants_shutdown() && client.connection.wants_read());
        client.reach_eof();
        server.reach_eof();
        assert!(client.connection.wants_shutdown() && server.connection.wants_shutdown());
    }
}

impl End {
    fn new(connection: Connection, config: &Config, in_chunks: bool) -> Self {
        Self {
            connection,
            limits: config.limits,
            pings: config.pings,
            now: Duration::ZERO,
            input: BytesMut::new(),
            in_chunks,
            said: Speech::default(),
            posted: VecDeque::new(),
            encoded: 0,
            heard: Speech::default(),
            is_deaf: false,
            is_mute: false,
            was_crowded: false,
            is_in_silence: false,
        }
    }

    /// What stands against saying anything.
    fn obstacle(&self) -> Option<SendError> {
        if self.is_closed() {
            return Some(SendError::Closed);
        }
        // What is posted behind a message in chunks does not keep it from its end.
        let waits_for_us = self.said.open.is_some() && self.connection.unsent() == self.waiting();
        (!self.has_room() && !waits_for_us).then_some(SendError::Full)
    }

    fn has_room(&self) -> bool {
        let unsent = self.connection.unsent();
        unsent == 0 || unsent < self.limits.unsent
    }

    /// What the posted messages take.
    fn waiting(&self) -> usize {
        self.posted.iter().map(|message| ENTRY + message.len()).sum()
    }

    /// Posted messages that were encoded can no longer be dropped, and are as good as said; nothing that is posted
    /// outlives the end.
    fn encode(&mut self) {
        let encoded = self.connection.sent().messages;
        for _ in self.encoded..encoded {
            self.said.messages.push(self.posted.pop_front().expect("a message that was posted"));
        }
        self.encoded = encoded;
        let is_over = self.connection.sent_close().is_some() || self.is_mute;
        if is_over || self.is_deaf && self.said.open.is_some() {
            self.posted.clear();
        }
        assert_eq!(self.connection.is_message_open(), self.said.open.is_some());
        assert!(self.connection.unsent() >= self.waiting());
    }

    fn is_closed(&self) -> bool {
        self.is_deaf || self.is_mute || self.connection.sent_close().is_some()
    }

    /// Holds a verdict against the expected one: what is refused leaves no trace, and what is not is encoded now, behind
    /// what was posted.
    fn expect(&mut self, verdict: Result<(), SendError>, obstacle: Option<SendError>, before: Trace) -> bool {
        assert_eq!(verdict.err(), obstacle);
        if obstacle.is_some() {
            assert_eq!(self.trace(), before);
        } else {
            assert!(self.trace().frames > before.frames);
        }
        obstacle.is_none()
    }

    fn trace(&self) -> Trace {
        Trace { unsent: self.connection.unsent(), frames: self.connection.sent().frames }
    }

    fn send(&mut self, message: Message) {
        self.say(message.clone(), message.into());
    }

    fn send_prepared(&mut self, message: Message) {
        let prepared = Prepared::new(message.clone());
        assert_eq!(prepared.message(), message);
        self.say(message, (&prepared).into());
        assert!(prepared.encodings() <= 2);
    }

    fn say(&mut self, message: Message, outgoing: Outgoing) {
        let is_inside = self.said.open.is_some().then_some(SendError::MessageOpen);
        let (obstacle, before) = (self.obstacle().or(is_inside), self.trace());
        assert_eq!(self.connection.check_send().err(), obstacle);
        let verdict = self.connection.send(outgoing);
        if self.expect(verdict, obstacle, before) {
            self.posted.push_back(message);
            self.encode();
            assert!(self.posted.is_empty(), "all that was posted goes before it");
        }
    }

    /// What is posted is kept, dropped or fatal, as its policy says.
    fn post(&mut self, how: u8, message: Message) {
        let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "").expect("a code that may be sent");
        let overflow = [Overflow::DropNewest, Overflow::DropOldest, Overflow::Close(frame.clone())];
        let overflow = overflow[usize::from(how % 3)].clone();
        let outgoing: Outgoing =
            if how & 0x80 == 0 { message.clone().into() } else { Prepared::new(message.clone()).into() };
        let (had_room, before, mut unsent) = (self.has_room(), self.trace(), self.connection.unsent());
        match self.connection.post(outgoing, overflow.clone()) {
            Err(error) => {
                assert!(self.is_closed());
                assert_eq!((error, self.trace()), (SendError::Closed, before));
            }
            Ok(Posted::Queued) => {
                assert!(had_room || overflow == Overflow::DropOldest && self.posted.is_empty());
                self.posted.push_back(message);
            }
            Ok(Posted::Replaced(count)) => {
                assert!(!had_room && overflow == Overflow::DropOldest && count > 0);
                for _ in 0..count {
                    assert!(unsent > 0 && unsent >= self.limits.unsent, "there was no room yet");
                    unsent -= ENTRY + self.posted.pop_front().expect("a message that was posted").len();
                }
                assert!(unsent == 0 || unsent < self.limits.unsent || self.posted.is_empty());
                self.posted.push_back(message);
            }
            Ok(Posted::Dropped) => {
                assert!(!had_room && overflow == Overflow::DropNewest);
                assert_eq!(self.trace(), before);
            }
            Ok(Posted::Closed) => {
                assert!(!had_room && matches!(overflow, Overflow::Close(_)));
                assert_eq!(self.connection.sent_close(), Some(Some(&frame)));
                self.posted.clear();
            }
        }
        self.encode();
        assert_eq!(self.connection.sent().messages, self.encoded, "nothing is encoded before it is taken");
    }

    fn send_chunk(&mut self, chunk: &Chunk) {
        let (obstacle, before) = (self.obstacle().or(self.mismatch(chunk)), self.trace());
        let verdict = self.connection.send_chunk(chunk.clone());
        if self.expect(verdict, obstacle, before) {
            if self.said.open.is_none() {
                self.said.messages.extend(self.posted.drain(..));
            }
            self.said.chunk(chunk);
            self.encoded = self.connection.sent().messages;
            self.encode();
        }
    }

    /// Why a chunk does not belong behind those before it.
    fn mismatch(&self, chunk: &Chunk) -> Option<SendError> {
        let (kind, begun) =
            self.said.open.as_ref().map_or((chunk.kind, &[][..]), |(kind, begun)| (*kind, begun));
        if kind != chunk.kind {
            return Some(SendError::KindChanged);
        }
        let text = [begun, &chunk.data].concat();
        let error = std::str::from_utf8(&text).err().filter(|error| chunk.fin || error.error_len().is_some());
        error.filter(|_| kind == Kind::Text).map(|_| SendError::NotUtf8)
    }

    fn ping(&mut self, source: &mut Source<'_>) {
        let payload = Bytes::from(vec![b'?'; source.byte().into()]);
        let (obstacle, before) = (self.obstacle().or(too_long(&payload)), self.trace());
        let verdict = self.connection.ping(payload.clone());
        if self.expect(verdict, obstacle, before) {
            self.said.pings.push(payload);
        }
    }

    fn pong(&mut self, source: &mut Source<'_>) {
        let payload = Bytes::from(vec![b'!'; usize::from(source.byte()).max(1)]);
        let (obstacle, before) = (self.obstacle().or(too_long(&payload)), self.trace());
        let verdict = self.connection.pong(payload.clone());
        if self.expect(verdict, obstacle, before) {
            self.said.unasked.push(payload);
        }
    }

    fn close(&mut self, source: &mut Source<'_>) {
        let code = u16::from_be_bytes(source.array());
        let frame = CloseFrame::cropped(code, &text(source.byte().into())).ok();
        let (obstacle, before) = (self.is_closed().then_some(SendError::Closed), self.trace());
        let verdict = self.connection.close(frame.clone());
        if self.expect(verdict, obstacle, before) {
            self.encode();
            assert_eq!(self.connection.sent_close(), Some(frame.as_ref()));
        }
    }

    /// Time passes: a ping of ours may be queued, or all may be over.
    fn tick(&mut self, by: Duration) {
        self.now += by;
        let (unsent, was_closed) = (self.connection.unsent(), self.is_closed());
        let known_before = self.connection.timed_out();
        match (self.connection.tick(self.now), self.connection.timed_out()) {
            (Ok(deadline), None) => {
                assert!(deadline.is_none_or(|deadline| deadline > self.now), "a deadline is in the future");
                if self.connection.unsent() > unsent {
                    assert!(!self.is_closed());
                    self.said.pings.push(Bytes::new());
                    self.is_in_silence = true;
                }
            }
            (Err(timed_out), known) => {
                assert_eq!(known, Some(timed_out));
                let is_warranted = match timed_out {
                    TimedOut::Pong => self.is_in_silence,
                    TimedOut::Write if self.said.open.is_some() => unsent > self.waiting(),
                    TimedOut::Write => unsent > 0,
                    _ => was_closed,
                };
                assert!(is_warranted || known_before == known, "{timed_out:?}");
                assert_eq!(self.connection.state(), State::Closed);
                assert!(self.connection.wants_shutdown() && !self.connection.wants_read());
                assert_eq!(self.connection.unsent(), 0);
                self.is_mute = true;
                self.is_deaf = true;
                self.encode();
            }
            (verdict, known) => panic!("{verdict:?} and {known:?}"),
        }
    }

    fn reach_eof(&mut self) {
        // §7.1.5: an end without a Close frame is not a clean one.
        let is_clean = self.connection.received_close().is_some();
        let expected = if is_clean { Ok(()) } else { Err(ProtocolError::EofWithoutClose) };
        assert_eq!(self.connection.receive_eof(), expected);
        assert_eq!(self.connection.state(), State::Closed);
        assert!(!self.connection.wants_read());
        self.is_deaf = true;
        self.input.clear();
        self.encode();
    }

    fn abandon(&mut self) {
        self.connection.abandon();
        assert_eq!(self.connection.unsent(), 0);
        self.is_mute = true;
        self.encode();
    }

    fn listen(&mut self) {
        loop {
            let is_over = self.connection.received_close().is_some();
            let event = if self.in_chunks {
                let event = self.connection.receive_chunk(&mut self.input).expect("no breach");
                event.map(|event| self.hear_chunk(event))
            } else {
                let event = self.connection.receive(&mut self.input).expect("no breach");
                event.map(|event| self.hear(event))
            };
            if event.is_none() {
                return;
            }
            assert!(!is_over, "Close is the last event of all");
            self.is_in_silence = false;
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Data(message) => self.heard.messages.push(message),
            Event::Ping(payload) => self.heard.pings.push(payload),
            Event::Pong(payload) if payload.starts_with(b"!") => self.heard.unasked.push(payload),
            Event::Pong(payload) => self.heard.answers.push(payload),
            Event::Close(close) => assert_eq!(self.connection.received_close(), Some(close.as_ref())),
            _ => panic!("an event that is not known here"),
        }
    }

    fn hear_chunk(&mut self, event: Event<Chunk>) {
        match event {
            Event::Data(chunk) => self.heard.chunk(&chunk),
            Event::Ping(payload) => self.hear(Event::Ping(payload)),
            Event::Pong(payload) => self.hear(Event::Pong(payload)),
            Event::Close(close) => self.hear(Event::Close(close)),
            _ => panic!("an event that is not known here"),
        }
    }
}

fn config(is_small: bool, shows_pings: bool) -> Config {
    let mut limits = Limits::default();
    if is_small {
        (limits.unsent, limits.control) = (300, 40);
    }
    let keepalive = Keepalive::new(Duration::from_secs(1), Duration::from_secs(2));
    let pings = if shows_pings { Pings::Shown } else { Pings::Answered };
    Config::new().limits(limits).keepalive(keepalive).pings(pings).close_timeout(Duration::from_secs(3))
}

fn too_long(payload: &Bytes) -> Option<SendError> {
    (payload.len() > 125).then_some(SendError::ControlTooLong)
}

/// A size with any of the three forms of length.
fn size(byte: u8) -> usize {
    let byte = usize::from(byte);
    if byte < 200 { byte } else { (byte - 199) * 1200 }
}

fn text(len: usize) -> String {
    "aß€𝄞 ".repeat(len / 11) + &"a".repeat(len % 11)
}

/// A few bytes as they stand in the input, UTF-8 or not.
fn chunk(what: u8, source: &mut Source<'_>) -> Chunk {
    let flags = source.byte();
    Chunk {
        kind: if what & 1 == 0 { Kind::Text } else { Kind::Binary },
        data: Bytes::copy_from_slice(source.bytes((flags & 0xF).into())),
        fin: flags & 0x80 != 0,
    }
}
