//! What is kept of compression for whoever has the next message: how much that is, and that nothing of one connection
//! comes to another with it.
#![cfg(feature = "deflate")]

mod counting;

use std::{
    sync::{Barrier, Mutex, MutexGuard, PoisonError},
    thread,
};

use bytes::{Buf, Bytes, BytesMut};
use sansocket::{
    Chunk, Compress, Compression, Config, Connection, Event, Kind, Message, Negotiated, Prepared,
    ProtocolError, Role,
    deflate::{Params, WindowBits},
    frame::{Header, OpCode, RSV1},
};

use counting::{forget, held_by_all};

/// How much `work` asks for.
fn allocated(work: impl FnOnce()) -> usize {
    forget();
    work();
    counting::allocated() as usize
}

/// What is kept is everybody's: these tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In bytes, from `src/deflate/mod.rs`: a compressor for each size of window from 9 bits on, an inflater, room for a step.
const COMPRESSORS: [isize; 7] = [138_112, 141_952, 149_632, 164_992, 195_712, 228_480, 294_016];
const INFLATER: isize = 47_552;
const ROOM: isize = 16 << 10;
/// How many there are of each at most.
const PLACES: isize = 4;

/// One end, of a conversation in which both do the same.
fn end(role: Role, bits: u8, level: u8, takeover: bool) -> Connection {
    let bits = WindowBits::new(bits).expect("8 to 15");
    let mut params = Params::new().server_max_window_bits(bits).client_max_window_bits(bits);
    if !takeover {
        params = params.server_no_context_takeover().client_no_context_takeover();
    }
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(params);
    let config = Config::new().compression(Compression::new(level, Compress::Always));
    match role {
        Role::Client => Connection::client(&config, negotiated, || [0; 4]),
        Role::Server => Connection::server(&config, negotiated),
    }
}

/// All that waits to be sent.
fn taken(end: &mut Connection) -> Vec<u8> {
    let wire = end.transmit();
    wire.copy_to_bytes(wire.remaining()).to_vec()
}

/// What this end makes of a message or of its pieces, frame by frame, and whether it is compressed.
fn said(end: &mut Connection, pieces: &[Vec<u8>]) -> (bool, Vec<Vec<u8>>) {
    if let [whole] = pieces {
        end.send(whole.clone()).unwrap();
    } else {
        for (i, piece) in pieces.iter().enumerate() {
            let data = Bytes::copy_from_slice(piece);
            end.send_chunk(Chunk { kind: Kind::Binary, data, fin: i + 1 == pieces.len() }).unwrap();
        }
    }
    let wire = taken(end);
    let (mut wire, mut payloads, mut is_compressed) = (&wire[..], Vec::new(), false);
    while let Some((header, begin)) = Header::parse(wire).unwrap() {
        let (payload, rest) = wire[begin..].split_at(header.payload_len as usize);
        is_compressed |= header.rsv == RSV1;
        payloads.push(payload.to_vec());
        wire = rest;
    }
    (is_compressed, payloads)
}

fn heard(end: &mut Connection, wire: &[u8]) -> Result<Vec<Bytes>, ProtocolError> {
    let mut input = BytesMut::from(wire);
    let mut heard = Vec::new();
    while let Some(event) = end.receive(&mut input)? {
        let Event::Data(message) = event else { panic!("{event:?}") };
        heard.push(message.into_bytes());
    }
    Ok(heard)
}

/// A frame to a client: compressed, and whole or the first of its message.
fn frame(fin: bool, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len() as u64;
    let mut wire = Vec::new();
    Header { fin, rsv: RSV1, opcode: OpCode::Binary, masking_key: None, payload_len }.write(&mut wire);
    wire.extend_from_slice(payload);
    wire
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// Few letters, in any order, so that what lies around is likely to match.
    fn data(&mut self, len: usize) -> Vec<u8> {
        let letters = 2 + self.below(4);
        (0..len).map(|_| b'a' + self.below(letters) as u8).collect()
    }
}

/// Fills all places with compressors of these kinds.
fn compress_in(kinds: &[(u8, u8)]) {
    for &(bits, level) in kinds {
        said(&mut end(Role::Server, bits, level, false), &[vec![b'x'; 1000]]);
    }
}

#[test]
fn without_takeover_messages_share_what_is_kept() {
    let _alone = alone();
    let talk = || {
        let mut here = end(Role::Server, 15, 3, false);
        let mut there = end(Role::Client, 15, 3, false);
        for _ in 0..10 {
            here.send("hello ".repeat(100)).unwrap();
            here.send(Prepared::new("hello ".repeat(90))).unwrap();
            assert_eq!(heard(&mut there, &taken(&mut here)).unwrap().len(), 2);
        }
    };
    talk();
    let conversations = 50;
    let taken = allocated(|| (0..conversations).for_each(|_| talk()));
    assert!(taken < conversations * 20 * (4 << 10), "{taken} bytes");
}

/// Each kind of connection finds its compressor again, also where others have filled all places.
#[test]
fn what_was_used_last_is_kept() {
    let _alone = alone();
    compress_in(&[(9, 1), (10, 2), (11, 3), (12, 4), (13, 5)]);
    for kind in [(15, 3), (15, 4), (14, 3), (9, 9)] {
        compress_in(&[kind]);
        let taken = allocated(|| compress_in(&[kind]));
        assert!(taken < 16 << 10, "{taken} bytes for {kind:?}");
    }
}

/// As many messages as there are places can be open at once, and are the next time.
#[test]
fn messages_that_are_open_at_once_find_an_inflater_each() {
    let _alone = alone();
    let mut hearing: Vec<_> = (0..PLACES).map(|_| end(Role::Client, 15, 3, false)).collect();
    let mut talk = || {
        for end in &mut hearing {
            heard(end, &frame(false, b"\xf2\x48\xcd\xc9\xc9\x07\x00")).unwrap();
        }
        for end in &mut hearing {
            assert_eq!(heard(end, &[0x80, 0]).unwrap(), [&b"Hello"[..]]);
        }
    };
    talk();
    let taken = allocated(talk);
    assert!(taken < INFLATER as usize, "{taken} bytes");
}

#[test]
fn what_is_kept_is_bounded() {
    let _alone = alone();
    // What the tests take themselves, and the place where they run.
    const SLACK: isize = 128 << 10;
    let kinds: Vec<_> = (9..16).flat_map(|bits| (0..10).map(move |level| (bits, level))).collect();
    compress_in(&kinds);
    let mut held = 0;
    // Until more than there are places have been in hand at once.
    for _ in 0..100 {
        thread::scope(|scope| {
            for _ in 0..3 * PLACES {
                scope.spawn(|| said(&mut end(Role::Server, 15, 6, false), &[Chance(1).data(100_000)]));
            }
        });
        held = held_by_all();
        if held > PLACES * COMPRESSORS[6] {
            break;
        }
    }
    assert!(held > PLACES * COMPRESSORS[6], "{held} bytes");
    // Messages of many connections that are open at once.
    let mut hearing: Vec<_> = (0..20).map(|_| end(Role::Client, 15, 3, false)).collect();
    for end in &mut hearing {
        assert_eq!(heard(end, &frame(false, b"\xf2\x48\xcd\xc9\xc9\x07\x00")).unwrap(), Vec::<Bytes>::new());
    }
    let open = held_by_all();
    assert!(open > 20 * INFLATER, "{open} bytes");
    for end in &mut hearing {
        assert_eq!(heard(end, &[0x80, 0]).unwrap(), [&b"Hello"[..]]);
    }
    let held = held_by_all();
    let most = PLACES * (COMPRESSORS[6] + INFLATER + ROOM);
    println!("{held} bytes are held, of {most} at most");
    assert!(held < most + SLACK, "{held} bytes, of {most}");
    // What fits is there.
    assert!(held > PLACES * (COMPRESSORS[6] + INFLATER) + ROOM, "{held} bytes");
    assert_eq!(most, 1_431_808, "as src/deflate/mod.rs says");
    drop(hearing);
    assert!(held - held_by_all() < SLACK, "connections held nothing");
}

/// By the length of what it sends, an end would tell who asks what another connection has said.
#[test]
fn what_is_kept_compresses_as_if_it_were_new() {
    let _alone = alone();
    let mut chance = Chance(88_172_645_463_325_252);
    for round in 0..600 {
        let (bits, level) = ([9, 12, 15][chance.below(3)], chance.below(10) as u8);
        let mut spoken = end(Role::Server, bits, level, false);
        let secret = chance.below(if round % 10 == 0 { 100_000 } else { 3000 });
        said(&mut spoken, &[chance.data(secret)]);
        let most = [6, 40, 400, 3000, 70_000][chance.below(if round % 10 == 0 { 5 } else { 4 })];
        for pieces in [1, 2 + chance.below(7)] {
            let message: Vec<_> = (0..pieces)
                .map(|_| {
                    let len = chance.below(most);
                    chance.data(len)
                })
                .collect();
            // With takeover nobody's compressor is used, and the first message refers to nothing either.
            let (_, expected) = said(&mut end(Role::Server, bits, level, true), &message);
            let (is_compressed, said) = said(&mut end(Role::Server, bits, level, false), &message);
            assert!(!is_compressed || said == expected, "{bits} bits, level {level}, {pieces} pieces");
            assert!(is_compressed || pieces == 1 && said == message, "{} bytes", message[0].len());
        }
    }
}

/// A match of three bytes, as far back, in a block of its own (RFC 1951 §3.2.5, §3.2.6).
fn match_at(distance: u32) -> Vec<u8> {
    let code = (0..30).rev().find(|&code| base(code) <= distance).expect("a code");
    let extra = (code / 2).saturating_sub(1);
    // In the order of the bits: not the last block, fixed codes, length 3, the distance, the end of the block, a flush.
    let mut bits = vec![0, 1, 0];
    bits.extend([0, 0, 0, 0, 0, 0, 1]);
    bits.extend((0..5).rev().map(|bit| code >> bit & 1));
    bits.extend((0..extra).map(|bit| (distance - base(code)) >> bit & 1));
    bits.extend([0; 7]);
    bits.extend([0, 0, 0]);
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |value, bit| value << 1 | *bit as u8)).collect()
}

/// The shortest distance with this code.
fn base(code: u32) -> u32 {
    if code < 2 { code + 1 } else { ((2 + code % 2) << (code / 2 - 1)) + 1 }
}

#[test]
fn what_others_heard_is_not_given_away() {
    let _alone = alone();
    let secret: Vec<u8> = (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut saying = end(Role::Server, 15, 9, true);
    saying.send(secret.clone()).unwrap();
    let wire = taken(&mut saying);
    for distance in [1, 2, 3, 100, 257, 5000, 32_768] {
        let mut hearing = end(Role::Client, 15, 3, false);
        assert_eq!(heard(&mut hearing, &wire).unwrap(), [&secret[..]]);
        // With takeover that is what it asks for.
        let mut remembering = end(Role::Client, 15, 3, true);
        let asked = [&wire[..], &frame(true, &match_at(distance))].concat();
        let expected: Vec<u8> =
            secret[secret.len() - distance as usize..].iter().copied().cycle().take(3).collect();
        assert_eq!(heard(&mut remembering, &asked).unwrap(), [&secret[..], &expected]);
        // Neither the same connection nor another one gives what was there before the message.
        for mut end in [hearing, end(Role::Client, 15, 3, false)] {
            let refused = heard(&mut end, &frame(true, &match_at(distance)));
            assert_eq!(refused, Err(ProtocolError::DeflateInvalid), "{distance} back");
        }
        // Nor behind a byte of its own: a stored block with one byte.
        let behind = [&b"\x00\x01\x00\xfe\xffA"[..], &match_at(distance + 1)[..]].concat();
        let refused = heard(&mut end(Role::Client, 15, 3, false), &frame(true, &behind));
        assert!(refused == Err(ProtocolError::DeflateInvalid) || distance == 32_768, "{distance} back");
    }
}

/// A message that broke off, and one that broke the rules, leave nothing behind.
#[test]
fn what_broke_off_is_forgotten() {
    let _alone = alone();
    let hello = frame(true, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    for broken in [&b"\xf2\x48\xcd"[..], b"\xff\xff\xff", b"\x00\x05\x00\xfa\xffab"] {
        for fin in [false, true] {
            for _ in 0..2 * PLACES {
                let mut ended = end(Role::Client, 15, 3, false);
                let _ = heard(&mut ended, &frame(fin, broken));
                drop(ended);
                assert_eq!(heard(&mut end(Role::Client, 15, 3, false), &hello).unwrap(), [&b"Hello"[..]]);
            }
        }
    }
}

/// Each block that is marked as the last one is two bytes long, and begins a new stream (RFC 7692 §7.2.3.4).
#[test]
fn a_message_of_last_blocks_takes_one_inflater() {
    let _alone = alone();
    for takeover in [false, true] {
        let mut hearing = end(Role::Client, 15, 3, takeover);
        let wire = frame(true, &[&b"\x03\x00".repeat(1000)[..], b"\x00"].concat());
        let taken = allocated(|| assert_eq!(heard(&mut hearing, &wire).unwrap(), [&b""[..]]));
        assert!(taken < 100 << 10, "{taken} bytes");
    }
}

/// What waits to be sent holds its own size, and not the room that was made for it.
#[test]
fn compressed_output_holds_its_own_size() {
    let _alone = alone();
    let message = Message::from(Chance(1).data(60_000));
    for takeover in [false, true] {
        let mut saying = end(Role::Server, 15, 3, takeover);
        saying.send(message.clone()).unwrap();
        taken(&mut saying);
        let before = held_by_all();
        for _ in 0..20 {
            saying.send(message.clone()).unwrap();
        }
        let held = held_by_all() - before;
        let unsent = saying.unsent() as isize;
        assert!(held < unsent + unsent / 10 + (8 << 10), "{held} bytes for {unsent}");
    }
}

/// More at once than there are places, of several kinds.
#[test]
fn many_at_once_do_not_get_in_each_others_way() {
    let _alone = alone();
    const THREADS: usize = 8;
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let start = &start;
            scope.spawn(move || {
                let (bits, level) = [(15, 3), (15, 6), (10, 1)][number % 3];
                let mut chance = Chance(number as u64 + 1);
                let mut here = end(Role::Server, bits, level, false);
                let mut there = end(Role::Client, bits, level, false);
                start.wait();
                for _ in 0..100 {
                    let len = 200 + chance.below(5000);
                    let message = [chance.data(len)];
                    let (_, expected) = said(&mut end(Role::Server, bits, level, true), &message);
                    here.send(message[0].clone()).unwrap();
                    let wire = taken(&mut here);
                    assert!(wire.ends_with(&expected[0]));
                    assert_eq!(heard(&mut there, &wire).unwrap(), message);
                }
            });
        }
    });
}
