//! The receiver: the same bytes, cut anywhere and seen through either view, are the same conversation. RFC 6455 §6.2.
//!
//! What may differ between two cuts, and nothing else: through the chunk view, where a message is cut into chunks,
//! and how much of a message was shown before its text turned out not to be UTF-8 or the bytes ended. Whole
//! messages, control frames, the order of both, the error, and every byte of output are the same. Messages stand
//! in order by their ends: a ping between two fragments comes before the message.
//!
//! Where the views are mixed, a message whose first chunk was taken is not delivered whole any more. All else still
//! holds.

use bytes::{Buf, BytesMut};
use sansocket::{
    Chunk, CloseFrame, Config, Connection, Event, Kind, Limits, Message, Negotiated, ProtocolError, Role,
    State,
    frame::{Header, OpCode},
};

use super::{
    reference::reference,
    source::{Cuts, Source},
};

/// The input is settings, cuts, and the bytes that the peer sends.
pub fn receive(data: &[u8]) {
    let mut source = Source::new(data);
    let setup = Setup::read(&mut source);
    let mixed = Views(source.byte());
    let cuts = source.cuts();
    let appended = appended(source.byte());
    let wire = [source.rest(), &vec![b'a'; appended]].concat();

    let whole = setup.run(core::iter::once(&wire[..]), Views::MESSAGES);
    let (events, error) = reference(&wire, setup.role, &setup.limits);
    assert_eq!((&whole.events, whole.error), (&events, error), "the naive twin");
    setup.judge_output(&whole);

    assert_eq!(setup.run(cuts.pieces(&wire), Views::MESSAGES), whole, "cut");
    assert_eq!(setup.run(Cuts::EVERYWHERE.pieces(&wire), Views::MESSAGES), whole, "cut everywhere");
    assert_eq!(setup.run(core::iter::once(&wire[..]), Views::CHUNKS), whole, "in chunks");
    assert_eq!(setup.run(cuts.pieces(&wire), Views::CHUNKS), whole, "cut, in chunks");
    assert_eq!(setup.run(Cuts::EVERYWHERE.pieces(&wire), Views::CHUNKS), whole, "cut everywhere, in chunks");

    let mixed = setup.run(cuts.pieces(&wire), mixed);
    assert!(mixed.tells_no_more_than(&whole), "views mixed: {mixed:?} and {whole:?}");
}

/// Bytes of payload behind the input, now and then, so that a small input may have a large one.
fn appended(byte: u8) -> usize {
    match byte & 7 {
        7 => 4100,
        6 => 2048,
        5 => 256,
        _ => 0,
    }
}

struct Setup {
    role: Role,
    limits: Limits,
    /// Output leaves after each event; otherwise at the end, which brings it over its limit.
    drains: bool,
}

/// Which of eight calls in a row ask for chunks.
#[derive(Clone, Copy)]
struct Views(u8);

impl Views {
    const MESSAGES: Self = Self(0);
    const CHUNKS: Self = Self(0xFF);

    const fn wants_chunk(self, call: u32) -> bool {
        self.0 & 1 << (call & 7) != 0
    }
}

/// All that came of a run.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    events: Vec<Event>,
    error: Option<ProtocolError>,
    output: Vec<u8>,
    closed: Option<Option<CloseFrame>>,
    eof: Result<(), ProtocolError>,
}

impl Heard {
    /// Whether this is the other one less some messages.
    fn tells_no_more_than(&self, other: &Self) -> bool {
        let mut rest = other.events.iter();
        let is_missable = |event: &Event| matches!(event, Event::Data(_));
        self.events.iter().all(|event| rest.by_ref().find(|e| *e == event || !is_missable(e)) == Some(event))
            && rest.all(is_missable)
            && (self.error, &self.output, self.eof) == (other.error, &other.output, other.eof)
    }
}

impl Setup {
    fn read(source: &mut Source<'_>) -> Self {
        let settings = source.byte();
        let mut limits = Limits::default();
        (limits.message, limits.frame, limits.fragments, limits.control) = match settings >> 2 & 3 {
            0 => (limits.message, limits.frame, limits.fragments, limits.control),
            1 => (300, 125, 4, 64),
            2 => (16, 8, 3, 0),
            _ => (4096, 8192, 1, 16),
        };
        let role = if settings & 1 == 0 { Role::Server } else { Role::Client };
        Self { role, limits, drains: settings & 2 != 0 }
    }

    fn connection(&self) -> Connection {
        let config = Config::new().limits(self.limits);
        match self.role {
            Role::Server => Connection::server(&config, Negotiated::default()),
            Role::Client => {
                let mut counter = 0_u32;
                let keys = move || {
                    counter += 0x0102_0304;
                    counter.to_be_bytes()
                };
                Connection::client(&config, Negotiated::default(), keys)
            }
        }
    }

    fn run<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>, views: Views) -> Heard {
        let mut run = Run::new(self, views);
        for piece in pieces {
            run.input.extend_from_slice(piece);
            while run.step() {}
        }
        run.finish()
    }

    /// What has gone out is what the RFC asks for: a pong for a ping, a Close frame for a Close frame or a breach.
    fn judge_output(&self, heard: &Heard) {
        let mut frames = frames(&heard.output, self.role);
        let answer = match (&heard.closed, heard.error) {
            (_, Some(error)) => Some(Some(error.close_code())),
            (Some(close), None) => Some(close.as_ref().map(|close| close.code().into())),
            (None, None) => None,
        };
        if let Some(code) = answer {
            let (opcode, payload) = frames.pop().expect("an answer to the end");
            assert_eq!(opcode, OpCode::Close);
            assert_eq!(CloseFrame::parse(&payload).map(|f| f.map(|f| f.code().into())), Ok(code));
        }
        let pings = heard.events.iter().filter_map(|event| match event {
            Event::Ping(payload) => Some((OpCode::Pong, payload.to_vec())),
            _ => None,
        });
        let pings: Vec<_> = pings.collect();
        if self.drains {
            assert_eq!(frames, pings, "each ping is answered");
        } else {
            let mut rest = pings.iter();
            assert!(frames.iter().all(|pong| rest.any(|ping| ping == pong)), "pongs are for pings, in order");
            // §5.5.3: the latest is answered, unless the conversation is over.
            let is_answered = answer.is_some() || frames.last() == pings.last();
            assert!(is_answered, "the latest ping is answered");
        }
    }
}

/// One connection while it is fed.
struct Run<'a> {
    setup: &'a Setup,
    views: Views,
    calls: u32,
    connection: Connection,
    input: BytesMut,
    /// The chunks of the message that is open, and whether the whole message is among them.
    open: Option<(Kind, Vec<u8>)>,
    heard: Heard,
}

impl<'a> Run<'a> {
    fn new(setup: &'a Setup, views: Views) -> Self {
        let (events, output) = (Vec::new(), Vec::new());
        let heard = Heard { events, error: None, output, closed: None, eof: Ok(()) };
        let (connection, input) = (setup.connection(), BytesMut::new());
        Self { setup, views, calls: 0, connection, input, open: None, heard }
    }

    /// One call; false if it asked for more bytes.
    fn step(&mut self) -> bool {
        let before = self.input.len();
        let unsent = self.connection.unsent();
        let is_over = self.connection.state() != State::Open;
        let wants_chunk = self.views.wants_chunk(self.calls);
        self.calls += 1;
        let received = if wants_chunk {
            let received = self.connection.receive_chunk(&mut self.input);
            received.map(|event| event.map(|event| self.hear_chunk(event)))
        } else {
            self.connection.receive(&mut self.input).map(|event| event.map(|event| self.hear(event)))
        };
        if is_over {
            assert!(!matches!(received, Ok(Some(()))), "Close and errors are the last of all");
            assert_eq!((self.input.len(), self.connection.unsent()), (0, unsent), "after the end");
            assert_eq!(received.err(), self.heard.error, "the same for ever");
        }
        match received {
            Ok(Some(())) => {
                let has_progress = self.input.len() < before || self.is_mixed();
                assert!(has_progress, "an event takes bytes");
                self.drain_if_asked();
                true
            }
            Ok(None) => {
                self.is_bounded();
                false
            }
            Err(error) => {
                self.heard.error = Some(error);
                self.drain_if_asked();
                assert!(self.input.is_empty());
                false
            }
        }
    }

    /// Messages whole, as they were.
    fn hear(&mut self, event: Event) {
        if let Event::Data(message) = &event {
            assert!(message.len() as u64 <= self.setup.limits.message);
            self.open = None;
        }
        self.heard.events.push(event);
    }

    /// Chunks back into messages.
    fn hear_chunk(&mut self, event: Event<Chunk>) {
        let chunk = match event {
            Event::Data(chunk) => chunk,
            Event::Ping(payload) => return self.heard.events.push(Event::Ping(payload)),
            Event::Pong(payload) => return self.heard.events.push(Event::Pong(payload)),
            Event::Close(close) => return self.heard.events.push(Event::Close(close)),
            _ => panic!("an event that is not known here"),
        };
        assert!(chunk.fin || !chunk.data.is_empty(), "an empty chunk says nothing");
        if self.is_mixed() {
            // What of the message was skipped is not known.
            return;
        }
        let (kind, payload) = self.open.get_or_insert_with(|| (chunk.kind, Vec::new()));
        assert_eq!(*kind, chunk.kind);
        payload.extend_from_slice(&chunk.data);
        assert!(payload.len() as u64 <= self.setup.limits.message);
        let Some((kind, payload)) = self.open.take_if(|_| chunk.fin) else { return };
        let message = match kind {
            Kind::Text => Message::from(String::from_utf8(payload).expect("chunks are UTF-8 together")),
            Kind::Binary => Message::from(payload),
        };
        self.heard.events.push(Event::Data(message));
    }

    fn is_mixed(&self) -> bool {
        !matches!(self.views.0, 0 | 0xFF)
    }

    /// What stays in the input is less than a frame: a header, a control frame, or one message in one frame.
    fn is_bounded(&self) {
        let limits = &self.setup.limits;
        let largest = if self.views.0 == 0xFF { 0 } else { limits.frame.min(limits.message) };
        assert!((self.input.len() as u64) < largest.max(125), "{} bytes stay", self.input.len());
    }

    fn drain_if_asked(&mut self) {
        if self.setup.drains {
            self.drain();
        }
    }

    fn drain(&mut self) {
        while self.connection.transmit().has_remaining() {
            let len = self.connection.transmit().remaining();
            self.heard.output.extend(self.connection.transmit().copy_to_bytes(len));
        }
    }

    fn finish(mut self) -> Heard {
        self.drain();
        self.heard.closed = self.connection.received_close().map(Option::<&CloseFrame>::cloned);
        assert_eq!(self.connection.error(), self.heard.error);
        self.heard.eof = self.connection.receive_eof();
        let expected = match (self.heard.error, &self.heard.closed) {
            (Some(error), _) => Err(error),
            (None, Some(_)) => Ok(()),
            (None, None) => Err(ProtocolError::EofWithoutClose),
        };
        assert_eq!(self.heard.eof, expected);
        assert_eq!((self.connection.state(), self.connection.unsent()), (State::Closed, 0));
        assert!(self.connection.wants_shutdown() && !self.connection.wants_read());
        assert_eq!(self.connection.receive(&mut self.input).err(), expected.err());
        self.heard
    }
}

/// The frames of our own output, unmasked. All of them are whole, final, and masked by a client only (§5.1).
fn frames(mut wire: &[u8], role: Role) -> Vec<(OpCode, Vec<u8>)> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        let (header, len) = Header::parse(wire).expect("a valid header").expect("a whole header");
        assert_eq!((header.fin, header.rsv), (true, 0));
        assert_eq!(header.masking_key.is_some(), role == Role::Client);
        let (frame, rest) = wire.split_at(len + usize::try_from(header.payload_len).expect("a small frame"));
        let mut payload = frame[len..].to_vec();
        header.masking_key.unwrap_or_default().apply(&mut payload);
        frames.push((header.opcode, payload));
        wire = rest;
    }
    frames
}
