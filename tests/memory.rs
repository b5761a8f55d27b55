//! What a connection holds and what it allocates, counted: memory follows bytes received, never lengths announced, and
//! an idle connection holds nothing.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, BytesMut};
use sansocket::{
    Config, Connection, Event, Negotiated, ProtocolError, Role,
    frame::{Header, MaskingKey, OpCode},
};

/// The system's allocator, with a count for each thread, so that tests that run at once do not count each other.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { live: 0, peak: 0, allocated: 0 }) };
}

/// In bytes: held now, held at most, and asked for since the count was set.
#[derive(Clone, Copy, Debug)]
struct Count {
    live: isize,
    peak: isize,
    allocated: usize,
}

fn count(taken: usize, given_back: usize) {
    // A thread that ends may free after its count is gone.
    let _ = COUNT.try_with(|count| {
        let Count { live, peak, allocated } = count.get();
        let live = live + taken as isize - given_back as isize;
        count.set(Count { live, peak: peak.max(live), allocated: allocated + taken });
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the block came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Counted as if it were copied, which it may be.
        count(size, layout.size());
        // SAFETY: the block came from `System` with this layout, and the size is the caller's.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What `work` takes: what it leaves behind, its peak, and all that it asked for.
fn counted<T>(work: impl FnOnce() -> T) -> (T, Count) {
    let before = COUNT.get().live;
    COUNT.set(Count { live: before, peak: before, allocated: 0 });
    let result = work();
    let Count { live, peak, allocated } = COUNT.get();
    (result, Count { live: live - before, peak: peak - before, allocated })
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

#[test]
fn a_new_connection_has_nothing_on_the_heap() {
    for role in ROLES {
        let (end, count) = counted(|| connect(role, &Config::new()));
        assert_eq!((count.live, count.allocated), (0, 0), "{role:?}");
        drop(end);
    }
}

/// A header that announces much, and then nothing, on ten thousand connections.
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
                assert_eq!(count.live, 0, "{role:?} {announced} {first:?}");
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
            end.ping("p").unwrap();
            end.tick(Duration::ZERO).unwrap();
            drain(&mut end);
        });
        assert_eq!(count.live, 0, "{role:?}");
    }
}

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
            assert_eq!(count.live, 0, "{role:?}");
        }
    }
    let mut end = client(&Config::new());
    let (_, count) = counted(|| {
        let _ =
            end.receive(&mut BytesMut::from(&frame(Role::Client, false, OpCode::Text, &[b'x'; 100_000])[..]));
        end.receive_eof().unwrap_err();
    });
    assert_eq!(count.live, 0);
}

/// A large message that is one frame leaves the input without a copy, a small one does not hold the input.
#[test]
fn a_message_holds_its_own_size() {
    for role in ROLES {
        let mut end = connect(role, &Config::new());
        let mut input = BytesMut::from(&frame(role, true, OpCode::Binary, &vec![1; 1 << 20])[..]);
        let (message, count) = counted(|| end.receive(&mut input).unwrap());
        assert!(count.allocated < 200, "{count:?} to take a large message");
        drop((message, input));

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
