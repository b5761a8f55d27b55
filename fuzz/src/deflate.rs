//! Compression (RFC 7692). Two ends that have agreed on it understand each other, whatever the parameters and however
//! the bytes are cut; and compressed bytes of any kind are the same conversation, cut anywhere and seen through
//! either view.
//!
//! What may differ between two cuts is what may differ without compression (see `receive`), no more.

use bytes::{Buf, Bytes, BytesMut};
use sansocket::{
    Chunk, Compress, Compression, Config, Connection, Event, Kind, Message, Negotiated, ProtocolError, Role,
    deflate::{Params, WindowBits},
};

use super::source::{Cuts, Source};

/// Messages and their compressed size stay below this, so that an input takes no seconds.
const MAX_SAID: usize = 200_000;
/// The most that one chunk of inflated bytes can have.
const MAX_CHUNK: usize = 16 << 10;

/// The input is which of the two it is, parameters, and operations or bytes.
pub fn deflate(data: &[u8]) {
    let mut source = Source::new(data);
    if source.byte() & 1 == 0 { talk(source) } else { listen(source) }
}

/// Takeover and windows: bits 0 and 1, and a nibble for each end.
fn agreed(source: &mut Source<'_>) -> Negotiated {
    let [settings, windows] = source.array();
    let bits = |nibble: u8| WindowBits::new(8 + (nibble & 7)).expect("8 to 15");
    let mut params =
        Params::new().server_max_window_bits(bits(windows)).client_max_window_bits(bits(windows >> 4));
    if settings & 1 != 0 {
        params = params.server_no_context_takeover();
    }
    if settings & 2 != 0 {
        params = params.client_no_context_takeover();
    }
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(params);
    negotiated
}

fn connection(role: Role, config: &Config, negotiated: &Negotiated) -> Connection {
    match role {
        Role::Client => Connection::client(config, negotiated.clone(), || [1, 2, 3, 4]),
        Role::Server => Connection::server(config, negotiated.clone()),
    }
}

/// One end of a conversation.
struct End {
    connection: Connection,
    in_chunks: bool,
    input: BytesMut,
    said: Vec<Message>,
    /// The message that is being said in chunks.
    saying: Option<(Kind, Vec<u8>)>,
    heard: Heard,
}

/// What came of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    events: Vec<Event>,
    /// The message of which chunks have come.
    open: Option<(Kind, Vec<u8>)>,
    error: Option<ProtocolError>,
}

fn whole(kind: Kind, payload: Vec<u8>) -> Message {
    match kind {
        Kind::Text => Message::from(String::from_utf8(payload).expect("text is UTF-8")),
        Kind::Binary => Message::from(payload),
    }
}

impl Heard {
    /// All that the input holds.
    fn take(&mut self, connection: &mut Connection, input: &mut BytesMut, in_chunks: bool) {
        loop {
            let before = input.len();
            let received = if in_chunks {
                connection
                    .receive_chunk(input)
                    .map(|event| event.map(|event| self.chunk(event, before > input.len())))
            } else {
                connection.receive(input).map(|event| event.map(|event| self.events.push(event)))
            };
            match received {
                Ok(Some(())) => {}
                Ok(None) => return,
                Err(error) => {
                    assert!(input.is_empty() && self.error.is_none_or(|before| before == error));
                    self.error = Some(error);
                    return;
                }
            }
        }
    }

    fn chunk(&mut self, event: Event<Chunk>, took_bytes: bool) {
        let chunk = match event {
            Event::Data(chunk) => chunk,
            Event::Ping(payload) => return self.events.push(Event::Ping(payload)),
            Event::Pong(payload) => return self.events.push(Event::Pong(payload)),
            Event::Close(close) => return self.events.push(Event::Close(close)),
            _ => panic!("an event that is not known here"),
        };
        assert!(chunk.fin || !chunk.data.is_empty(), "an empty chunk says nothing");
        assert!(took_bytes || chunk.data.len() <= MAX_CHUNK, "what is inflated comes in steps");
        let (kind, payload) = self.open.get_or_insert_with(|| (chunk.kind, Vec::new()));
        assert_eq!(*kind, chunk.kind);
        payload.extend_from_slice(&chunk.data);
        if let Some((kind, payload)) = self.open.take_if(|_| chunk.fin) {
            self.events.push(Event::Data(whole(kind, payload)));
        }
    }

    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.events
            .iter()
            .filter_map(|event| if let Event::Data(message) = event { Some(message) } else { None })
    }
}

impl End {
    fn new(role: Role, settings: [u8; 3], negotiated: &Negotiated) -> Self {
        let [level, threshold, view] = settings;
        let when = match threshold {
            0 => Compress::Never,
            255 => Compress::Always,
            least => Compress::Above(least.into()),
        };
        let mut config = Config::new().compression(Compression::new(level % 12, when));
        config.limits.unsent = usize::MAX;
        Self {
            connection: connection(role, &config, negotiated),
            in_chunks: view & 1 != 0,
            input: BytesMut::new(),
            said: Vec::new(),
            saying: None,
            heard: Heard::default(),
        }
    }

    /// Something to say: a byte over and over, bytes of the input over and over, what was said before, noise, or text.
    fn data(&self, source: &mut Source<'_>) -> Vec<u8> {
        let [shape, size] = source.array();
        let len = if size < 200 { usize::from(size) } else { (usize::from(size) - 199) * 700 };
        let repeated = |stretch: Vec<u8>| stretch.into_iter().cycle().take(len).collect();
        match shape % 5 {
            0 => vec![source.byte(); len],
            1 => repeated(source.bytes(1 + usize::from(shape / 5)).to_vec()),
            2 => repeated(self.said.last().map_or(vec![shape], |message| message.as_bytes().to_vec())),
            3 => {
                let mut state = u32::from(shape) | 0x100;
                (0..len)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (state >> 24) as u8
                    })
                    .collect()
            }
            _ => repeated(format!("{shape} € wind").into_bytes()),
        }
    }

    fn send(&mut self, data: Vec<u8>, compress: Option<Compress>) {
        let message = Message::from(data);
        let sent = match compress {
            Some(compress) => self.connection.send_with(message.clone(), compress),
            None => self.connection.send(message.clone()),
        };
        assert_eq!(sent.is_ok(), self.saying.is_none());
        if sent.is_ok() {
            self.said.push(message);
        }
    }

    fn send_chunk(&mut self, data: Vec<u8>, fin: bool) {
        let kind = Kind::Binary;
        self.connection
            .send_chunk(Chunk { kind, data: Bytes::from(data.clone()), fin })
            .expect("a chunk in order");
        let (_, said) = self.saying.get_or_insert_with(|| (kind, Vec::new()));
        said.extend(data);
        if let Some((kind, said)) = self.saying.take_if(|_| fin) {
            self.said.push(whole(kind, said));
        }
    }
}

/// Takes up to `max` bytes from one end to the other.
fn deliver(from: &mut End, to: &mut End, max: usize) {
    let waiting = from.connection.transmit();
    let len = waiting.remaining().min(max);
    let bytes = waiting.copy_to_bytes(len);
    to.input.extend_from_slice(&bytes);
    to.heard.take(&mut to.connection, &mut to.input, to.in_chunks);
    assert_eq!(to.heard.error, None, "what we send is received");
}

fn talk(mut source: Source<'_>) {
    let negotiated = agreed(&mut source);
    let mut client = End::new(Role::Client, source.array(), &negotiated);
    let mut server = End::new(Role::Server, source.array(), &negotiated);
    let mut said = 0;
    while !source.is_empty() && said < MAX_SAID {
        let what = source.byte();
        let (end, other) =
            if what & 0x80 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let data = if what & 7 < 5 { end.data(&mut source) } else { Vec::new() };
        said += data.len() + 100;
        match what & 7 {
            0 => end.send(data, None),
            1 => end.send(data, Some(Compress::Always)),
            2 => end.send(data, Some(Compress::Never)),
            3 => end.send_chunk(data, false),
            4 => end.send_chunk(data, true),
            5 => end.connection.ping(vec![what]).expect("room"),
            6 => deliver(end, other, source.byte().into()),
            _ => deliver(end, other, usize::MAX),
        }
    }
    agree(&mut client, &mut server);
    agree(&mut server, &mut client);
}

/// What one says the other hears.
fn agree(from: &mut End, to: &mut End) {
    deliver(from, to, usize::MAX);
    assert!(to.heard.messages().eq(&from.said));
    let begun = from.saying.as_ref().filter(|(_, said)| to.in_chunks && !said.is_empty());
    assert_eq!(begun, to.heard.open.as_ref(), "the message that is open");
}

fn listen(mut source: Source<'_>) {
    let negotiated = agreed(&mut source);
    let [settings, ratio] = source.array();
    let role = if settings & 1 == 0 { Role::Client } else { Role::Server };
    let mut config = Config::new();
    config.limits.message = match settings >> 1 & 3 {
        0 => 1 << 20,
        1 => 5000,
        2 => 300,
        _ => 10,
    };
    config.limits.ratio = Some(u32::from(ratio)).filter(|ratio| *ratio > 0);
    let cuts = source.cuts();
    let wire = match settings >> 3 & 3 {
        0 => source.rest().to_vec(),
        1 => framed(role, source),
        _ => compressed(role, &negotiated, source),
    };

    let play = |cuts: Option<Cuts<'_>>, in_chunks| {
        let mut connection = connection(role, &config, &negotiated);
        let (mut heard, mut input) = (Heard::default(), BytesMut::new());
        let mut hear = |piece: &[u8]| {
            input.extend_from_slice(piece);
            heard.take(&mut connection, &mut input, in_chunks);
        };
        match cuts {
            Some(cuts) => cuts.pieces(&wire).for_each(&mut hear),
            None => hear(&wire),
        }
        assert!(heard.messages().all(|message| message.len() as u64 <= config.limits.message));
        // How much of a message was shown that is not whole depends on the cuts where it ends in an error.
        let open = heard.open.take();
        assert!(open.is_none_or(|(_, payload)| payload.len() as u64 <= config.limits.message));
        let len = connection.transmit().remaining();
        (heard, connection.transmit().copy_to_bytes(len))
    };
    let whole = play(None, false);
    assert_eq!(play(Some(cuts), false), whole, "cut");
    assert_eq!(play(Some(Cuts::EVERYWHERE), false), whole, "cut everywhere");
    assert_eq!(play(None, true), whole, "in chunks");
    assert_eq!(play(Some(cuts), true), whole, "cut, in chunks");
    assert_eq!(play(Some(Cuts::EVERYWHERE), true), whole, "cut everywhere, in chunks");
}

/// The input as frames: the first byte of each, its length, its payload.
fn framed(to: Role, mut source: Source<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    while !source.is_empty() {
        let [first, len] = source.array();
        let payload = source.bytes((len & 0x7f).min(125).into());
        wire.extend([first, payload.len() as u8 | if to == Role::Server { 0x80 } else { 0 }]);
        if to == Role::Server {
            // A key of zeros masks nothing.
            wire.extend([0; 4]);
        }
        wire.extend(payload);
    }
    wire
}

/// What another end of ours has compressed, with a few bytes of it changed, and an end that may be cut off.
fn compressed(to: Role, negotiated: &Negotiated, mut source: Source<'_>) -> Vec<u8> {
    let role = if to == Role::Server { Role::Client } else { Role::Server };
    let mut end = End::new(role, source.array(), negotiated);
    let (changes, cut_off): ([u8; 6], u8) = (source.array(), source.byte());
    let mut said = 0;
    while !source.is_empty() && said < MAX_SAID / 8 {
        let what = source.byte();
        let data = end.data(&mut source);
        said += data.len() + 100;
        match what & 3 {
            0 => end.send(data, None),
            1 => end.send(data, Some(Compress::Always)),
            _ => end.send_chunk(data, what & 4 != 0),
        }
    }
    let len = end.connection.transmit().remaining();
    let mut wire = end.connection.transmit().copy_to_bytes(len).to_vec();
    for change in changes.chunks(2) {
        let at = usize::from(change[0]) * wire.len() / 256;
        if let Some(byte) = wire.get_mut(at) {
            *byte ^= change[1];
        }
    }
    wire.truncate(wire.len() - wire.len().min(cut_off.into()));
    wire
}
