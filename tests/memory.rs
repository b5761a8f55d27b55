//! What a connection holds and what it allocates, counted: memory follows bytes received, never lengths announced, and
//! an idle connection holds nothing.

mod counting;

use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, BytesMut};
use sansocket::{
    CloseFrame, Config, Connection, Event, Negotiated, Overflow, Prepared, ProtocolError, Receiver, Role,
    Sender,
    frame::{Header, MaskingKey, OpCode},
};

/// In bytes: what is left behind, what was held at most, and what was asked for in all.
#[derive(Clone, Copy, Debug)]
struct Count {
    live: isize,
    peak: isize,
    allocated: usize,
}

/// What `work` takes.
fn counted<T>(work: impl FnOnce() -> T) -> (T, Count) {
    let before = counting::held();
    counting::forget();
    let result = work();
    let allocated = counting::allocated() as usize;
    (result, Count { live: counting::held() - before, peak: counting::peak() - before, allocated })
}

fn client(config: &Config) -> Connection {
    Connection::client(config, Negotiated::default(), || [1, 2, 3, 4])
}

fn connect(role: Role, config: &Config) -> Connection {
    match role {
        Role::Client => client(config),
        Role::Server => Connection::server(config, Negotiated::default()),
    }
}

fn unlimited() -> Config {
    let mut config = Config::new();
    (config.limits.message, config.limits.frame, config.limits.fragments) = (u64::MAX, u64::MAX, u32::MAX);
    config
}

/// A frame to this end.
fn frame(to: Role, fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let masking_key = (to == Role::Server).then_some(MaskingKey::new([9, 8, 7, 6]));
    let header = Header { fin, rsv: 0, opcode, masking_key, payload_len: payload.len() as u64 };
    let mut wire = Vec::new();
    header.write(&mut wire);
    masking_key.unwrap_or_default().apply_onto(payload, &mut wire);
    wire
}

fn drain(end: &mut Connection) {
    while end.transmit().has_remaining() {
        let len = end.transmit().chunk().len();
        end.transmit().advance(len);
    }
    assert_eq!(end.unsent(), 0);
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn the_allocator_counts() {
    let (kept, count) = counted(|| {
        drop(vec![0u8; 1000]);
        vec![0u8; 10]
    });
    assert_eq!((count.live, count.peak, count.allocated), (10, 1000, 1010));
    drop(kept);
}

/// What is needed now and then stands on the heap, while it is needed.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_connection_is_small() {
    let sizes = (size_of::<Connection>(), size_of::<Receiver>(), size_of::<Sender>());
    println!("connection, receiver, sender: {sizes:?} bytes");
    assert!(sizes.0 <= 328 && sizes.1 <= 104 && sizes.2 <= 216, "{sizes:?}");
}

/// Where a client's masking keys come from.
const KEYS: usize = 16;

#[test]
fn a_new_connection_has_nothing_on_the_heap() {
    for role in ROLES {
        let (end, count) = counted(|| connect(role, &Config::new()));
        let keys = if role == Role::Client { KEYS } else { 0 };
        assert_eq!(count.allocated, keys, "{role:?}");
        drop(end);
    }
}

/// A header that announces much, and then nothing, on ten thousand connections: what is noted of a message that is open
/// is as large as that of the smallest.
#[test]
fn announced_lengths_allocate_nothing() {
    const CONNECTIONS: usize = 10_000;
    for role in ROLES {
        for (config, announced) in [
            (unlimited(), 1 << 30),
            (unlimited(), i64::MAX as u64),
            (Config::new(), 16 << 20),
            (Config::new(), (16 << 20) + 1),
        ] {
            for first in [OpCode::Text, OpCode::Binary, OpCode::Continuation] {
                let mut wire = Vec::new();
                if first == OpCode::Continuation {
                    wire.extend(frame(role, false, OpCode::Binary, b""));
                }
                let masking_key = (role == Role::Server).then_some(MaskingKey::new([1; 4]));
                Header { fin: true, rsv: 0, opcode: first, masking_key, payload_len: announced }
                    .write(&mut wire);
                let mut ends = Vec::with_capacity(CONNECTIONS);
                let mut input = BytesMut::with_capacity(100);
                let (refused, count) = counted(|| {
                    let mut refused = 0;
                    for _ in 0..CONNECTIONS {
                        let mut end = connect(role, &config);
                        input.clear();
                        input.extend_from_slice(&wire);
                        refused += usize::from(end.receive(&mut input).is_err());
                        if refused > 0 {
                            drain(&mut end);
                        }
                        ends.push(end);
                    }
                    refused
                });
                assert!(
                    count.live as usize <= CONNECTIONS * (FAREWELL as usize + KEYS),
                    "{count:?}: {role:?} {announced} {first:?}"
                );
                assert_eq!(refused > 0, announced > config.limits.message);
            }
        }
    }
}

/// Reassembly costs what doubling a buffer costs, in however many fragments, also when each byte comes alone.
#[test]
fn reassembly_is_linear() {
    for (role, len, piece) in
        [(Role::Client, 1, 1 << 16), (Role::Client, 100, 1 << 16), (Role::Server, 16, 50)]
    {
        let allocated = [1000, 2000, 4000, 8000].map(|fragments| {
            let payload = vec![b'x'; len];
            let mut wire = frame(role, false, OpCode::Text, &payload);
            for _ in 2..fragments {
                wire.extend(frame(role, false, OpCode::Continuation, &payload));
            }
            wire.extend(frame(role, true, OpCode::Continuation, &payload));
            let mut end = connect(role, &Config::new());
            let mut input = BytesMut::with_capacity(wire.len());
            let (message, count) = counted(|| {
                let mut message = None;
                for piece in wire.chunks(piece) {
                    input.extend_from_slice(piece);
                    while let Some(Event::Data(data)) = end.receive(&mut input).unwrap() {
                        message = Some(data);
                    }
                }
                message
            });
            assert_eq!(message.unwrap().len(), fragments * len);
            assert!(count.allocated < 5 * fragments * len + 1000, "{count:?} for {fragments} × {len}");
            count.allocated
        });
        assert!(allocated[3] < 10 * allocated[0], "{allocated:?}");
    }
}

/// Text that comes byte by byte is unmasked and validated byte by byte: a routine that began anew with each byte would
/// need minutes here.
#[test]
fn bytes_that_drip_in_cost_what_they_weigh() {
    let began = Instant::now();
    for role in ROLES {
        let wire = frame(role, true, OpCode::Text, "grüße!".repeat(1 << 16).as_bytes());
        let mut end = connect(role, &Config::new());
        let mut input = BytesMut::with_capacity(wire.len());
        let mut messages = 0;
        for byte in &wire {
            input.put_u8(*byte);
            messages += usize::from(end.receive(&mut input).unwrap().is_some());
        }
        assert_eq!(messages, 1);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// What was said and heard is gone: neither assembly nor output is held, and no deadline costs anything.
#[test]
fn an_idle_connection_holds_nothing() {
    for role in ROLES {
        let mut end = connect(role, &Config::new());
        let (_, count) = counted(|| {
            let mut input = BytesMut::new();
            for len in [0, 1, 125, 5000, 300_000] {
                let payload = vec![b'x'; len];
                input.extend_from_slice(&frame(role, true, OpCode::Text, &payload));
                input.extend_from_slice(&frame(role, false, OpCode::Binary, &payload));
                input.extend_from_slice(&frame(role, true, OpCode::Ping, b"ping"));
                input.extend_from_slice(&frame(role, true, OpCode::Continuation, &payload));
                while let Some(event) = end.receive(&mut input).unwrap() {
                    if let Event::Data(message) = event {
                        end.send(message).unwrap();
                        drain(&mut end);
                    }
                }
            }
            // A ping is remembered until its pong has been timed.
            end.ping("p").unwrap();
            end.tick(Duration::ZERO).unwrap();
            input.extend_from_slice(&frame(role, true, OpCode::Pong, b"p"));
            end.receive(&mut input).unwrap();
            end.tick(Duration::ZERO).unwrap();
            drain(&mut end);
        });
        assert_eq!(count.live, 0, "{role:?}");
    }
}

/// Of each half: its Close frame, which can be asked for, and how it ended.
const FAREWELL: isize = 2 * (size_of::<Option<CloseFrame>>() as isize + 16);

/// What was assembled of a message that will never be finished is given back.
#[test]
fn an_end_inside_a_message_holds_nothing() {
    let endings: [fn(Role) -> Vec<u8>; 3] = [
        |role| frame(role, true, OpCode::Close, b""),
        |role| frame(role, true, OpCode::Text, b""),
        |role| frame(role, true, OpCode::Continuation, b"\xff"),
    ];
    for role in ROLES {
        for ending in endings {
            let mut end = connect(role, &Config::new());
            let (_, count) = counted(|| {
                let mut input = BytesMut::from(&frame(role, false, OpCode::Text, &[b'x'; 100_000])[..]);
                input.extend_from_slice(&ending(role));
                let _ = end.receive(&mut input);
                drain(&mut end);
            });
            assert!(end.received_close().is_some() || end.error().is_some());
            assert!(count.live <= FAREWELL, "{count:?} for {role:?}");
        }
    }
    let mut end = client(&Config::new());
    let (_, count) = counted(|| {
        let _ =
            end.receive(&mut BytesMut::from(&frame(Role::Client, false, OpCode::Text, &[b'x'; 100_000])[..]));
        end.receive_eof().unwrap_err();
    });
    assert!(count.live <= FAREWELL, "{count:?}");
}

/// A large message that is one frame leaves the input without a copy, a small one does not hold the input.
#[test]
fn a_message_holds_its_own_size() {
    for role in ROLES {
        let mut end = connect(role, &Config::new());
        for len in [1 << 20, 16 << 10] {
            let mut input = BytesMut::from(&frame(role, true, OpCode::Binary, &vec![1; len])[..]);
            let (message, count) = counted(|| end.receive(&mut input).unwrap());
            assert!(count.allocated < 200, "{count:?} to take a large message");
            drop((message, input));
        }

        let (message, count) = counted(|| {
            let mut input = BytesMut::with_capacity(1 << 16);
            input.extend_from_slice(&frame(role, true, OpCode::Binary, &[1; 100]));
            end.receive(&mut input).unwrap()
        });
        assert!(count.live <= 200, "{count:?} for a small message");
        drop(message);
    }
}

/// Chunks of a frame of four gigabytes, in the memory of one read.
#[test]
fn a_huge_frame_streams_in_constant_memory() {
    let mut end = client(&unlimited());
    let read = vec![b'x'; 1 << 16];
    let mut input = BytesMut::with_capacity(1 << 17);
    input.extend_from_slice(b"\x82\x7f\0\0\0\x01\0\0\0\0");
    let (heard, count) = counted(|| {
        let mut heard = 0;
        for _ in 0..512 {
            input.extend_from_slice(&read);
            while let Some(Event::Data(chunk)) = end.receive_chunk(&mut input).unwrap() {
                heard += chunk.data.len();
            }
        }
        heard
    });
    assert_eq!(heard, 32 << 20);
    assert!(count.peak < 1 << 19, "{count:?}");
}

/// A peer that asks and does not read gets a few answers' worth of memory.
#[test]
fn pings_that_cannot_be_answered_are_bounded() {
    for role in ROLES {
        let mut end = connect(role, &Config::new());
        let ping = frame(role, true, OpCode::Ping, &[7; 125]);
        let mut input = BytesMut::with_capacity(ping.len());
        let (_, count) = counted(|| {
            for _ in 0..100_000 {
                input.extend_from_slice(&ping);
                assert!(end.receive(&mut input).unwrap().is_some());
            }
        });
        assert!(count.peak < 64 << 10, "{count:?}");
        drain(&mut end);
    }
}

/// What waits for a peer that does not read is bounded by the limit and one message.
#[test]
fn unsent_output_is_bounded() {
    for role in ROLES {
        let mut end = connect(role, &Config::new());
        let (_, count) = counted(|| while end.send(vec![1; 10_000]).is_ok() {});
        assert!(count.peak < 4 << 20, "{count:?} in {role:?}");
        assert!(end.unsent() < (1 << 20) + 10_100);
    }
}

/// A peer that has stopped to read, under each policy, with messages of each size, and while it asks for pongs: what it
/// costs is what `unsent` says and the room that a queue has in reserve, and all of it is given back.
#[test]
fn a_peer_that_stops_reading_costs_what_unsent_says() {
    const LIMIT: usize = 1 << 20;
    let close = Overflow::Close(CloseFrame::new(1013, "").unwrap());
    let policies = [Overflow::DropNewest, Overflow::DropOldest, close];
    println!("held / at most / unsent, in bytes");
    for (role, len) in ROLES.into_iter().flat_map(|role| [0, 1, 100, 5000, 300_000].map(|len| (role, len))) {
        for policy in &policies {
            let mut end = connect(role, &Config::new());
            let ping = frame(role, true, OpCode::Ping, &[7; 125]);
            let mut input = BytesMut::with_capacity(ping.len());
            let (_, count) = counted(|| {
                for number in 0..(8 * LIMIT / (len + 40)).max(100) {
                    if number % 16 == 0 {
                        input.extend_from_slice(&ping);
                        while let Ok(Some(_)) = end.receive(&mut input) {}
                    }
                    let posted = end.post(vec![number as u8; len], policy.clone());
                    assert!(end.unsent() <= LIMIT + len + 40 + (17 << 10), "{posted:?}: {}", end.unsent());
                    end.transmit();
                }
            });
            let unsent = end.unsent();
            println!("{role:?}, {len}, {policy:?}: {} / {} / {unsent}", count.live, count.peak);
            // What is encoded stands in a buffer that doubles, and so do the entries of the queue.
            let reserve = if len < 100 { 360_000 } else { 120_000 };
            assert!(count.live as usize <= unsent + reserve, "{count:?}, {unsent} unsent");
            assert!(count.peak as usize <= LIMIT + reserve + 2 * len, "{count:?}");
            let ((), rest) = counted(|| drain(&mut end));
            assert!(count.live + rest.live <= FAREWELL / 2, "{role:?} {len} {policy:?}");
        }
    }
}

/// A message for many servers is held once, whatever it is, and each of them holds a place in a list.
#[test]
fn a_prepared_message_is_held_once() {
    const SERVERS: usize = 100;
    for len in [256, 5000, 1_000_000] {
        let payload = vec![1; len];
        let (prepared, count) = counted(|| Prepared::new(payload));
        // Behind it stands the message that it was made of.
        assert!(count.allocated < len + 300 && count.live < 300, "{count:?}");
        let mut servers: Vec<_> = (0..SERVERS).map(|_| connect(Role::Server, &Config::new())).collect();
        let ((), sending) = counted(|| servers.iter_mut().for_each(|server| server.send(&prepared).unwrap()));
        println!("{len} bytes to {SERVERS} servers: {} allocated, {} held", sending.allocated, sending.live);
        assert!(sending.allocated <= SERVERS * 200, "{sending:?}");
        let ((), posting) = counted(|| {
            servers.iter_mut().for_each(|server| {
                let _ = server.post(&prepared, Overflow::DropOldest).unwrap();
            });
        });
        assert!(posting.allocated <= SERVERS * 200, "{posting:?}");
        let ((), rest) = counted(|| servers.iter_mut().for_each(drain));
        assert_eq!(sending.live + posting.live + rest.live, 0);
    }
}

/// After an error nothing that comes is kept.
#[test]
fn a_failed_connection_takes_nothing_in() {
    let mut end = client(&Config::new());
    assert_eq!(end.receive(&mut BytesMut::from(&b"\xc1\0"[..])), Err(ProtocolError::ReservedBit));
    let read = [b'x'; 4096];
    let mut input = BytesMut::with_capacity(4096);
    let (_, count) = counted(|| {
        for _ in 0..1000 {
            input.extend_from_slice(&read);
            assert_eq!(end.receive(&mut input), Err(ProtocolError::ReservedBit));
        }
    });
    assert_eq!((count.peak, input.len()), (0, 0));
}

/// RFC 7692: what compression holds, and what a compressed message may make an end hold.
#[cfg(feature = "deflate")]
mod deflate {
    use sansocket::{
        Chunk, Compress, Compression, Kind, State,
        deflate::{Params, WindowBits},
    };

    use std::sync::{Mutex, MutexGuard, PoisonError};

    use bytes::Bytes;

    use super::*;

    /// What one step of inflation gives at most.
    const STEP: usize = 16 << 10;

    /// What is at rest between messages is everybody's, so these tests take turns. It has been made when one begins.
    fn alone() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        for level in [3, 6] {
            let mut here = end(Role::Client, &compressing(level), no_takeover());
            let mut there = end(Role::Server, &compressing(level), no_takeover());
            here.send(text(1000)).unwrap();
            let mut input = BytesMut::from(&taken(&mut here)[..]);
            there.receive(&mut input).unwrap().unwrap();
        }
        turn
    }

    fn agreed(params: Params) -> Negotiated {
        let mut negotiated = Negotiated::default();
        negotiated.deflate = Some(params);
        negotiated
    }

    fn no_takeover() -> Params {
        Params::new().server_no_context_takeover().client_no_context_takeover()
    }

    /// Each with a compressor of its own, what is kept of them would leave the heap in pieces.
    #[test]
    fn prepared_messages_share_a_compressor() {
        let _alone = alone();
        let prepare = |number: usize| {
            let prepared = Prepared::new(format!("{number} {}", "hello ".repeat(50)));
            let mut server = Connection::server(&Config::new(), agreed(Params::new()));
            server.send(&prepared).unwrap();
            assert_eq!(prepared.encodings(), 2);
            prepared
        };
        prepare(0);
        let (kept, count) = counted(|| (1..100).map(prepare).collect::<Vec<_>>());
        assert!(count.allocated <= kept.len() * (8 << 10), "{count:?}");
    }

    fn windows(bits: u8) -> Params {
        let bits = WindowBits::new(bits).unwrap();
        Params::new().server_max_window_bits(bits).client_max_window_bits(bits)
    }

    fn compressing(level: u8) -> Config {
        Config::new().compression(Compression::new(level, Compress::Always))
    }

    fn end(role: Role, config: &Config, params: Params) -> Connection {
        match role {
            Role::Client => Connection::client(config, agreed(params), || [1, 2, 3, 4]),
            Role::Server => Connection::server(config, agreed(params)),
        }
    }

    /// A compressed frame to this end.
    fn compressed(to: Role, fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
        let mut wire = frame(to, fin, opcode, payload);
        wire[0] |= 0x40;
        wire
    }

    fn taken(end: &mut Connection) -> Vec<u8> {
        let mut wire = Vec::new();
        while end.transmit().has_remaining() {
            wire.extend_from_slice(end.transmit().chunk());
            let len = end.transmit().chunk().len();
            end.transmit().advance(len);
        }
        wire
    }

    /// Text that compresses as text does.
    fn text(len: usize) -> String {
        let words = ["window", "slides", "over", "the", "bytes", "and", "remembers", "them"];
        let mut text = String::new();
        for i in 0.. {
            if text.len() >= len {
                break;
            }
            text += words[i * i % 7 + i % 2];
            text += &(i % 97).to_string();
        }
        text.truncate(len);
        text
    }

    /// Payload without its tail: `len` times the same byte, 1,029 for each of its own.
    fn bomb(len: usize) -> Vec<u8> {
        let config = compressing(9);
        let mut sender = end(Role::Server, &config, Params::new());
        sender.send(vec![b'x'; len]).unwrap();
        let wire = taken(&mut sender);
        let (header, begin) = Header::parse(&wire).unwrap().unwrap();
        assert_eq!(header.payload_len as usize, wire.len() - begin);
        wire[begin..].to_vec()
    }

    #[test]
    fn agreed_compression_costs_nothing_before_the_first_compressed_message() {
        let _alone = alone();
        for role in ROLES {
            let (mut end, count) = counted(|| end(role, &Config::new(), Params::new()));
            assert!(
                count.allocated <= 400,
                "{count:?} for what was agreed on and compressors without memory"
            );
            let (_, count) = counted(|| {
                let mut input = BytesMut::new();
                for len in [0, 1, 125, 5000] {
                    input.extend_from_slice(&frame(role, true, OpCode::Binary, &vec![b'x'; len]));
                    input.extend_from_slice(&frame(role, true, OpCode::Ping, b"ping"));
                    while end.receive(&mut input).unwrap().is_some() {}
                    end.send_with(vec![b'x'; len], Compress::Never).unwrap();
                    drain(&mut end);
                }
            });
            assert!(count.peak < 32 << 10, "{count:?} for {role:?}");
            assert_eq!(count.live, 0, "{role:?}");
        }
    }

    /// Only the direction that is used has a price.
    #[test]
    fn each_direction_is_paid_for_when_it_is_used() {
        let _alone = alone();
        let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        for role in ROLES {
            let mut hearing = end(role, &Config::new(), Params::new());
            let (_, count) = counted(|| {
                let wire = compressed(role, true, OpCode::Text, hello);
                hearing.receive(&mut BytesMut::from(&wire[..])).unwrap().unwrap();
                hearing.send("x").unwrap();
                drain(&mut hearing);
            });
            assert!(count.live > 0 && count.live < 64 << 10, "{count:?} for {role:?}");
            let mut saying = end(role, &compressing(3), Params::new());
            let (_, count) = counted(|| {
                saying.send("Hello").unwrap();
                saying
                    .receive(&mut BytesMut::from(&frame(role, true, OpCode::Text, b"x")[..]))
                    .unwrap()
                    .unwrap();
                drain(&mut saying);
            });
            assert!(count.live > 64 << 10, "{count:?} for {role:?}");
        }
    }

    #[test]
    fn without_takeover_nothing_is_held_when_a_message_ends() {
        let _alone = alone();
        for (role, other) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            let mut here = end(role, &compressing(6), no_takeover());
            let mut there = end(other, &compressing(6), no_takeover());
            let (_, count) = counted(|| {
                for len in [0, 1, 100, 5000, 100_000] {
                    here.send(text(len)).unwrap();
                    let data = Bytes::from(text(len));
                    here.send_chunk(Chunk { kind: Kind::Text, data, fin: false }).unwrap();
                    here.send_chunk(Chunk { kind: Kind::Text, data: Bytes::new(), fin: true }).unwrap();
                    let mut input = BytesMut::from(&taken(&mut here)[..]);
                    let mut heard = 0;
                    while let Some(event) = there.receive(&mut input).unwrap() {
                        assert_eq!(event, Event::Data(text(len).into()));
                        heard += 1;
                    }
                    assert_eq!(heard, 2);
                }
            });
            assert_eq!(count.live, 0, "{role:?}");
        }
    }

    /// What each end of a conversation with takeover holds between two messages, by the size of the window.
    #[test]
    fn with_takeover_what_is_held_is_bounded() {
        let _alone = alone();
        /// For windows of 9 to 15 bits, in KiB: what inflation holds, and what compression does at any level.
        const BOUNDS: [(u8, usize, usize); 7] = [
            (9, 47, 136),
            (10, 47, 140),
            (11, 47, 148),
            (12, 47, 162),
            (13, 47, 192),
            (14, 47, 224),
            (15, 47, 288),
        ];
        for (bits, inflation, compression) in BOUNDS {
            let mut most = (0, 0);
            for level in [1, 3, 6, 9] {
                let mut saying = end(Role::Server, &compressing(level), windows(bits));
                let mut hearing = end(Role::Client, &Config::new(), windows(bits));
                for round in 0..3 {
                    let (wire, count) = counted(|| {
                        saying.send(text(40_000)).unwrap();
                        taken(&mut saying)
                    });
                    let compressing = count.live as usize - wire.capacity();
                    let ((), count) = counted(|| {
                        let mut input = BytesMut::from(&wire[..]);
                        assert!(hearing.receive(&mut input).unwrap().is_some());
                    });
                    let inflating = count.live as usize;
                    if round > 0 {
                        assert_eq!((inflating, compressing), (0, 0), "a later message adds nothing");
                    }
                    most = (inflating.max(most.0), compressing.max(most.1));
                }
            }
            println!("{bits} bits: inflation holds {} bytes, compression {}", most.0, most.1);
            assert!(most.0 <= inflation << 10 && most.1 <= compression << 10, "{bits} bits: {most:?}");
        }
    }

    /// What was compressed of a message that will never be finished is given back too.
    #[test]
    fn an_end_inside_a_compressed_message_holds_nothing() {
        let _alone = alone();
        let endings: [fn(Role) -> Vec<u8>; 3] = [
            |role| frame(role, true, OpCode::Close, b""),
            |role| frame(role, true, OpCode::Text, b""),
            |role| frame(role, true, OpCode::Continuation, b"\xff"),
        ];
        for role in ROLES {
            for params in [Params::new(), no_takeover()] {
                for ending in endings {
                    let mut end = end(role, &compressing(3), params);
                    let (_, count) = counted(|| {
                        let data = Bytes::from(text(1000));
                        end.send_chunk(Chunk { kind: Kind::Text, data, fin: false }).unwrap();
                        let hello = compressed(role, false, OpCode::Text, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
                        let mut input = BytesMut::from(&hello[..]);
                        input.extend_from_slice(&ending(role));
                        let _ = end.receive(&mut input);
                        drain(&mut end);
                    });
                    assert_eq!(end.state(), State::Closed);
                    // It may even be less than nothing: what it took of what is at rest.
                    assert!(count.live <= FAREWELL, "{count:?} for {role:?} {params:?}");
                }
                let mut end = end(role, &compressing(3), params);
                let (_, count) = counted(|| {
                    let hello = compressed(role, false, OpCode::Text, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
                    let _ = end.receive(&mut BytesMut::from(&hello[..]));
                    end.send("Hello").unwrap();
                    end.receive_eof().unwrap_err();
                    end.abandon();
                });
                assert!(count.live <= 0, "{count:?}");
            }
        }
    }

    /// A bomb to this end: in one frame, in fragments, or the second of two that share a window.
    fn bombs(to: Role, len: usize) -> [Vec<u8>; 3] {
        let whole = bomb(len);
        let mut fragments = compressed(to, false, OpCode::Binary, &whole[..20]);
        for piece in whole[20..].chunks(100) {
            fragments.extend(frame(to, false, OpCode::Continuation, piece));
        }
        fragments.extend(frame(to, true, OpCode::Continuation, b""));
        // A stretch that does not compress, and over and over what the window remembers of it.
        let secret: Vec<u8> = (0..30_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut sender = end(Role::Server, &compressing(9), Params::new());
        sender.send(secret.clone()).unwrap();
        sender.send(secret.iter().copied().cycle().take(len).collect::<Vec<u8>>()).unwrap();
        let mut shared = Vec::new();
        let mut wire = &taken(&mut sender)[..];
        while let Some((header, begin)) = Header::parse(wire).unwrap() {
            let (payload, rest) = wire[begin..].split_at(header.payload_len as usize);
            shared.extend(compressed(to, true, OpCode::Binary, payload));
            wire = rest;
        }
        [compressed(to, true, OpCode::Binary, &whole), fragments, shared]
    }

    /// It is over within one step of the limit, whatever else would come out: whole, and in chunks.
    #[test]
    fn bombs_stop_at_the_limit() {
        let _alone = alone();
        const LIMIT: usize = 100_000;
        let mut config = Config::new();
        config.limits.message = LIMIT as u64;
        for role in ROLES {
            for (which, wire) in bombs(role, 4 << 20).into_iter().enumerate() {
                let mut whole = end(role, &config, Params::new());
                let mut input = BytesMut::from(&wire[..]);
                let (error, count) = counted(|| {
                    loop {
                        match whole.receive(&mut input) {
                            Ok(event) => assert!(event.is_some(), "all was taken"),
                            Err(error) => break error,
                        }
                    }
                });
                assert_eq!(error, ProtocolError::MessageTooLarge);
                // The buffer doubles.
                assert!((count.peak as usize) < 2 * LIMIT + 4 * STEP, "{count:?} for bomb {which}");

                let mut in_chunks = end(role, &config, Params::new());
                let mut input = BytesMut::from(&wire[..]);
                let ((heard, error), count) = counted(|| {
                    let mut heard = 0;
                    loop {
                        match in_chunks.receive_chunk(&mut input) {
                            Ok(Some(Event::Data(chunk))) if chunk.fin => heard = 0,
                            Ok(Some(Event::Data(chunk))) => heard += chunk.data.len(),
                            Ok(other) => panic!("{other:?}"),
                            Err(error) => break (heard, error),
                        }
                    }
                });
                assert_eq!(error, ProtocolError::MessageTooLarge);
                assert!(heard <= LIMIT && heard + STEP > LIMIT, "{heard} bytes of bomb {which}");
                assert!((count.peak as usize) < 6 * STEP, "{count:?} for bomb {which} in chunks");
            }
        }
    }

    /// A gigabyte from a megabyte, for an application that looks at each chunk and drops it.
    #[test]
    fn a_gigabyte_inflates_in_constant_memory() {
        let _alone = alone();
        // A quarter of it without optimisation.
        const LEN: usize = if cfg!(debug_assertions) { 1 << 28 } else { 1 << 30 };
        let stretch = bomb(4 << 20);
        let mut hearing = end(Role::Client, &unlimited(), no_takeover());
        let mut input = BytesMut::with_capacity(1 << 16);
        let (heard, count) = counted(|| {
            let (mut heard, mut chunks) = (0, 0);
            for i in 0..LEN / (4 << 20) {
                // What a flush leaves between two stretches is an empty block.
                let payload = [&stretch[..], b"\0\0\xff\xff"].concat();
                let wire = if i == 0 {
                    compressed(Role::Client, false, OpCode::Binary, &payload)
                } else {
                    frame(Role::Client, false, OpCode::Continuation, &payload)
                };
                for piece in wire.chunks(1000) {
                    input.extend_from_slice(piece);
                    while let Some(Event::Data(chunk)) = hearing.receive_chunk(&mut input).unwrap() {
                        heard += chunk.data.len();
                        chunks += 1;
                    }
                }
            }
            // The steps grow while they are filled.
            assert!(chunks < LEN / 8192, "{chunks} chunks");
            heard
        });
        assert_eq!(heard, LEN);
        assert!(count.peak < 160 << 10, "{count:?}");
    }

    /// A step makes room for much more than it may give; what it gives does not hold that room.
    #[test]
    fn small_chunks_hold_their_own_size() {
        let _alone = alone();
        let mut hearing = end(Role::Client, &unlimited(), Params::new());
        let mut sender = end(Role::Server, &compressing(9), Params::new());
        sender.send(vec![b'x'; 1 << 20]).unwrap();
        sender
            .send_chunk(Chunk { kind: Kind::Binary, data: vec![b'x'; 1 << 20].into(), fin: false })
            .unwrap();
        let mut input = BytesMut::from(&taken(&mut sender)[..]);
        while hearing.receive_chunk(&mut input).unwrap().is_some() {}
        let (chunks, count) = counted(|| {
            let mut chunks = Vec::with_capacity(10_000);
            for i in 0..1000_u32 {
                let data = Bytes::from(text(i as usize % 13));
                sender.send_chunk(Chunk { kind: Kind::Binary, data, fin: false }).unwrap();
                for byte in taken(&mut sender) {
                    input.put_u8(byte);
                    while let Some(Event::Data(chunk)) = hearing.receive_chunk(&mut input).unwrap() {
                        chunks.push(chunk);
                    }
                }
            }
            chunks
        });
        let len: usize = chunks.iter().map(|chunk| chunk.data.len()).sum();
        assert!(chunks.len() > 900 && len > 5000, "{} chunks of {len} bytes", chunks.len());
        // Nor is that room made for a byte that cannot need it.
        let taken = count.allocated - chunks.capacity() * size_of::<Chunk>();
        assert!(taken < 8000 * chunks.len(), "{taken} bytes taken for {} chunks", chunks.len());
        let held = count.live as usize - chunks.capacity() * size_of::<Chunk>();
        assert!(held < 10 * len + (64 << 10), "{held} bytes for {len}");
    }

    /// A message that is inflated whole holds no more than twice its size and a step.
    #[test]
    fn an_inflated_message_holds_about_its_size() {
        let _alone = alone();
        for len in [1, 100, 255, 256, 257, 1000, 5000, 16_129, 100_000, 1 << 20] {
            for role in ROLES {
                let mut hearing = end(role, &Config::new(), no_takeover());
                let wire = compressed(role, true, OpCode::Binary, &bomb(len));
                let (message, count) = counted(|| {
                    let mut input = BytesMut::from(&wire[..]);
                    hearing.receive(&mut input).unwrap().unwrap()
                });
                assert!(count.live as usize <= 2 * len + STEP, "{count:?} for {len} bytes");
                assert!(len > 255 || count.live as usize <= 600, "{count:?} for {len} bytes");
                drop(message);
            }
        }
    }

    /// Bytes that come one by one cost what they weigh, also where each step makes room for thousands.
    #[test]
    fn compressed_bytes_that_drip_in_cost_what_they_weigh() {
        let _alone = alone();
        let began = Instant::now();
        for view in [Connection::receive_one, Connection::receive_one_chunk] {
            let mut sender = end(Role::Server, &compressing(1), Params::new());
            sender.send(vec![b'x'; 1 << 20]).unwrap();
            sender.send_with(text(1 << 19), Compress::Always).unwrap();
            let mut hearing = end(Role::Client, &Config::new(), Params::new());
            let mut input = BytesMut::new();
            let mut heard = 0;
            for byte in taken(&mut sender) {
                input.put_u8(byte);
                while let Some(len) = view(&mut hearing, &mut input) {
                    heard += len;
                }
            }
            assert_eq!(heard, (1 << 20) + (1 << 19));
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }

    trait ReceiveOne {
        fn receive_one(&mut self, input: &mut BytesMut) -> Option<usize>;
        fn receive_one_chunk(&mut self, input: &mut BytesMut) -> Option<usize>;
    }

    impl ReceiveOne for Connection {
        fn receive_one(&mut self, input: &mut BytesMut) -> Option<usize> {
            match self.receive(input).unwrap() {
                Some(Event::Data(message)) => Some(message.len()),
                _ => None,
            }
        }

        fn receive_one_chunk(&mut self, input: &mut BytesMut) -> Option<usize> {
            match self.receive_chunk(input).unwrap() {
                Some(Event::Data(chunk)) => Some(chunk.data.len()),
                _ => None,
            }
        }
    }
}

/// A small message that comes right behind a large one, and is kept, does not keep the buffer of the large one.
#[test]
fn what_is_kept_behind_a_large_message_pins_little() {
    let mut client = client(&Config::new());
    let mut kept = Vec::new();
    let (_, count) = counted(|| {
        for size in [9 << 20, 1 << 20, 100_000, 70_000] {
            let mut input = BytesMut::new();
            for len in [size, 4096] {
                let opcode = OpCode::Binary;
                Header { fin: true, rsv: 0, opcode, masking_key: None, payload_len: len as u64 }
                    .write(&mut input);
                input.put_bytes(7, len);
            }
            assert!(matches!(client.receive(&mut input), Ok(Some(Event::Data(_)))));
            let Ok(Some(Event::Data(message))) = client.receive(&mut input) else { panic!("two messages") };
            kept.push(message);
        }
    });
    assert!(count.live < 4 * 2 * 4096, "{count:?}");
}
