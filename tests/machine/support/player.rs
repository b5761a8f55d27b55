//! Plays a fixture against a connection: any view, any cut.

use bytes::{Buf, BytesMut};
use sansocket::{
    Chunk, Config, Connection, Event, Kind, Message, Negotiated, Overflow, Prepared, ProtocolError, Role,
    SendError, State, Text,
};

use super::wire::{Fixture, KEY, Said, Seen, Step};

/// How messages are taken from the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Whole, by the connection.
    Messages,
    /// In chunks, put together here.
    Chunks,
}

pub(crate) const VIEWS: [View; 2] = [View::Messages, View::Chunks];

/// A connection whose client masks every frame with the key of §5.7.
pub(crate) fn connection(role: Role, config: &Config) -> Connection {
    connection_with(role, config, Negotiated::default())
}

pub(crate) fn connection_with(role: Role, config: &Config, negotiated: Negotiated) -> Connection {
    match role {
        Role::Client => Connection::client(config, negotiated, || KEY),
        Role::Server => Connection::server(config, negotiated),
    }
}

pub(crate) fn connect(role: Role) -> Connection {
    connection(role, &Config::new())
}

/// Takes all that waits for the wire.
pub(crate) fn drain(connection: &mut Connection) -> Vec<u8> {
    let mut output = Vec::new();
    while connection.transmit().has_remaining() {
        let transmit = connection.transmit();
        let len = transmit.chunk().len();
        assert!(len > 0, "bytes that wait can be seen");
        assert!(output.len() < 1 << 22, "output without end");
        output.extend_from_slice(transmit.chunk());
        transmit.advance(len);
    }
    output
}

/// Calls that take nothing from one piece of input: more than the steps of the largest message here.
const MOST_IDLE_CALLS: usize = 1 << 16;

/// What one call gave.
enum Heard {
    Event(Event),
    /// A part of a message, which is kept until it is whole.
    Chunk,
}

impl Fixture {
    fn connection(&self) -> Connection {
        connection_with(self.role, &self.config, self.negotiated.clone())
    }
}

/// A connection, its input, and what was seen of both.
pub(crate) struct Player {
    pub(crate) connection: Connection,
    pub(crate) seen: Seen,
    view: View,
    input: BytesMut,
    open: Option<(Kind, Vec<u8>)>,
    /// Leaves the output where it is.
    holding_back: bool,
    /// What the checks between the steps found wrong.
    pub(crate) wrong: Vec<String>,
}

impl Player {
    pub(crate) fn new(connection: Connection, view: View) -> Self {
        let (seen, input) = (Seen::default(), BytesMut::new());
        Self { connection, seen, view, input, open: None, holding_back: false, wrong: Vec::new() }
    }

    /// One whose output somebody else takes.
    pub(crate) fn holding_back(connection: Connection, view: View) -> Self {
        Self { holding_back: true, ..Self::new(connection, view) }
    }

    /// Plays a fixture with its input cut at these places.
    pub(crate) fn play(fixture: &Fixture, view: View, cuts: &[usize]) -> Self {
        let mut player = Self::new(fixture.connection(), view);
        let mut at = 0;
        for step in &fixture.steps {
            match step {
                Step::Feed(bytes) => {
                    let mut from = 0;
                    for cut in cuts.iter().filter(|&&cut| cut > at && cut < at + bytes.len()) {
                        player.feed(&bytes[from..cut - at]);
                        from = cut - at;
                    }
                    player.feed(&bytes[from..]);
                    at += bytes.len();
                }
                step => player.step(step.clone()),
            }
        }
        player
    }

    /// Bytes arrive, and all events that they hold are taken.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        // Each call takes something, gives something, or asks for more; from what was inflated it gives without taking.
        let mut idle_calls = 0;
        while idle_calls <= MOST_IDLE_CALLS {
            let before = self.input.len();
            let received = self.receive();
            self.take_output();
            idle_calls += usize::from(self.input.len() == before);
            match received {
                Ok(Some(Heard::Event(event))) => self.seen.said.push(Said::Event(event)),
                Ok(Some(Heard::Chunk)) => {}
                Ok(None) => return,
                Err(error) => {
                    self.note_error(error);
                    if !self.input.is_empty() {
                        self.wrong.push("input left after an error".into());
                    }
                    return;
                }
            }
        }
        self.wrong.push("calls without progress".into());
    }

    fn step(&mut self, step: Step) {
        let said = match step {
            Step::Feed(bytes) => return self.feed(&bytes),
            Step::Eof => {
                match self.connection.receive_eof() {
                    Err(error) => self.note_error(error),
                    Ok(()) if self.seen.error.is_some() => self.wrong.push("an end without the error".into()),
                    Ok(()) => {}
                }
                return self.take_output();
            }
            Step::Check { state, read, shutdown } => return self.check(state, read, shutdown),
            Step::Send(message) => self.connection.send(message),
            Step::SendWith(message, compress) => self.connection.send_with(message, compress),
            Step::SendChunk(chunk) => self.connection.send_chunk(chunk),
            Step::SendPrepared(message) => self.connection.send(Prepared::new(message)),
            Step::Post(message) => self.connection.post(message, Overflow::DropNewest).map(drop),
            Step::Ping(payload) => self.connection.ping(payload),
            Step::Pong(payload) => self.connection.pong(payload),
            Step::Close(frame) => self.connection.close(frame),
        };
        self.note_refusal(said);
        self.take_output();
    }

    fn check(&mut self, state: State, read: bool, shutdown: bool) {
        let is = (self.connection.state(), self.connection.wants_read(), self.connection.wants_shutdown());
        if is != (state, read, shutdown) {
            self.wrong.push(format!(
                "(state, wants_read, wants_shutdown) is {is:?}, not {:?}",
                (state, read, shutdown)
            ));
        }
    }

    /// The next event, with messages whole in either view.
    fn receive(&mut self) -> Result<Option<Heard>, ProtocolError> {
        if self.view == View::Messages {
            return Ok(self.connection.receive(&mut self.input)?.map(Heard::Event));
        }
        let event = match self.connection.receive_chunk(&mut self.input)? {
            None => return Ok(None),
            Some(Event::Data(chunk)) => match self.join(&chunk) {
                Some(message) => Event::Data(message),
                None => return Ok(Some(Heard::Chunk)),
            },
            Some(Event::Ping(payload)) => Event::Ping(payload),
            Some(Event::Pong(payload)) => Event::Pong(payload),
            Some(Event::Close(frame)) => Event::Close(frame),
            Some(other) => panic!("an event that these tests do not know: {other:?}"),
        };
        Ok(Some(Heard::Event(event)))
    }

    fn join(&mut self, chunk: &Chunk) -> Option<Message> {
        let (kind, so_far) = self.open.get_or_insert((chunk.kind, Vec::new()));
        if *kind != chunk.kind || chunk.data.is_empty() && !chunk.fin {
            self.wrong.push(format!("chunk {chunk:?} in a message of kind {kind:?}"));
        }
        so_far.extend_from_slice(&chunk.data);
        if !chunk.fin {
            return None;
        }
        let (kind, payload) = self.open.take()?;
        Some(match kind {
            Kind::Binary => Message::Binary(payload.into()),
            Kind::Text => match Text::try_from(bytes::Bytes::from(payload)) {
                Ok(text) => Message::Text(text),
                Err(_) => panic!("chunks of a text message that are not UTF-8 together"),
            },
        })
    }

    fn note_error(&mut self, error: ProtocolError) {
        match self.seen.error.replace(error) {
            Some(before) if before != error => self.wrong.push(format!("error {before:?}, then {error:?}")),
            _ => {}
        }
    }

    fn note_refusal(&mut self, said: Result<(), SendError>) {
        if let Err(refusal) = said {
            self.seen.said.push(Said::Refused(refusal));
        }
    }

    fn take_output(&mut self) {
        if self.holding_back {
            return;
        }
        let output = drain(&mut self.connection);
        self.seen.output.extend(output);
    }
}

/// What is wrong with the way a fixture plays in this view and with these cuts.
pub(crate) fn judge(fixture: &Fixture, view: View, cuts: &[usize]) -> Option<String> {
    let player = Player::play(fixture, view, cuts);
    if player.wrong.is_empty() && player.seen == fixture.expected {
        return None;
    }
    let at = if cuts.is_empty() { String::new() } else { format!(", cut at {cuts:?}") };
    let wrong = player.wrong.iter().map(|wrong| format!("  wrong:    {wrong}\n")).collect::<String>();
    Some(format!(
        "\n{}\n  as {view:?}{at}\n  expected: {}\n  seen:     {}\n{wrong}",
        fixture.line, fixture.expected, player.seen
    ))
}

/// Plays every line of a table in both views, in one piece and byte by byte.
pub(crate) fn check_table(table: &str) {
    let fixtures = Fixture::parse_all(table);
    assert!(!fixtures.is_empty(), "a table without lines");
    let mut faults = String::new();
    for fixture in &fixtures {
        let every_byte: Vec<usize> = (1..fixture.input().len()).collect();
        for view in VIEWS {
            let fault = judge(fixture, view, &[]).or_else(|| judge(fixture, view, &every_byte));
            faults.extend(fault);
        }
    }
    assert!(faults.is_empty(), "{faults}");
}
