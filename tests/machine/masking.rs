//! §5.1 and §5.3, masking: who masks, and what a key does.

use std::{cell::RefCell, collections::HashSet};

use bytes::Bytes;
use proptest::prelude::*;
use sansocket::{
    Chunk, Config, Connection, Kind, Negotiated,
    frame::{MaskingKey, OpCode},
};

use crate::support::{
    chance::Chance,
    player::{check_table, drain},
    wire::frames,
};

pub(crate) const TABLE: &str = r#"
    # §5.1: a server refuses what is not masked, whatever the frame, and by its first two bytes.
    server < 81 05                                       | ! 1002 UnmaskedFromClient
    server < 82 00                                       | ! 1002 UnmaskedFromClient
    server < 02 7f                                       | ! 1002 UnmaskedFromClient
    server < 89 00                                       | ! 1002 UnmaskedFromClient
    server < 8a 00                                       | ! 1002 UnmaskedFromClient
    server < 88 00                                       | ! 1002 UnmaskedFromClient
    server < [text- "a"] 80 01 62                        | ! 1002 UnmaskedFromClient

    # §5.1: a client refuses what is masked: it must be seen, not delivered still masked.
    client < 81 85 37fa213d 7f9f4d5158                   | ! 1002 MaskedFromServer
    client < 82 80                                       | ! 1002 MaskedFromServer
    client < 89 80                                       | ! 1002 MaskedFromServer
    client < 8a 80                                       | ! 1002 MaskedFromServer
    client < 88 80                                       | ! 1002 MaskedFromServer
    client < [binary- 00] 80 81                          | ! 1002 MaskedFromServer

    # §5.3: any key will do, also one that changes nothing, and each frame has its own.
    server < 81 85 00000000 48656c6c6f                   | text Hello
    server < 81 85 ffffffff b79a939390                   | text Hello
    server < 01 83 37fa213d 7f9f4d  80 82 01020304 6d6d  | text Hello
    # The key starts anew with each frame, also behind one whose length is no multiple of four.
    server < 82 81 01020304 60  82 81 01020304 60        | binary "a", binary "a"
    server < 89 83 01020304 717070 [text "a"]            | ping "prs", text a > [pong "prs"]

    # What we send: a client masks each of its frames, a server none.
    client < {text "Hello"} {ping ""} {close 1000}       | > 81 85 37fa213d 7f9f4d5158  89 80 37fa213d  88 82 37fa213d 3412
    server < {text "Hello"} {ping ""} {close 1000}       | > 81 05 48656c6c6f  89 00  88 02 03e8
"#;

#[test]
fn table() {
    check_table(TABLE);
}

fn numbered_keys() -> Connection {
    let mut number = 0u32;
    Connection::client(&Config::new(), Negotiated::default(), move || {
        number += 1;
        number.to_be_bytes()
    })
}

/// §5.3: a fresh key for each frame, of every kind, whoever asked for the frame; and none is drawn in vain.
#[test]
fn each_frame_has_the_next_key_of_the_source() {
    let mut client = numbered_keys();
    client.send("text").unwrap();
    client.send(vec![0; 70_000]).unwrap();
    for fin in [false, false, true] {
        client.send_chunk(Chunk { kind: Kind::Binary, data: Bytes::from_static(b"abc"), fin }).unwrap();
    }
    client.ping("p").unwrap();
    client.pong("p").unwrap();
    let mut sent = drain(&mut client);
    let mut input = bytes::BytesMut::from(&b"\x89\x01p\x88\x00"[..]);
    client.receive(&mut input).unwrap();
    client.receive(&mut input).unwrap();

    sent.extend(drain(&mut client));
    let sent = frames(&sent);
    let keys: Vec<u32> = sent.iter().map(|(header, _)| key_number(header.masking_key)).collect();
    assert_eq!(keys, (1..=9).collect::<Vec<_>>());
    assert_eq!((sent[7].0.opcode, sent[8].0.opcode), (OpCode::Pong, OpCode::Close));
}

fn key_number(key: Option<MaskingKey>) -> u32 {
    u32::from_be_bytes(key.expect("a client masks").to_bytes())
}

/// What the caller was refused drew no key, so a script of keys stays in step with the frames.
#[test]
fn a_refused_frame_draws_no_key() {
    let mut client = numbered_keys();
    client.ping(vec![0; 126]).unwrap_err();
    client.send_chunk(Chunk { kind: Kind::Text, data: Bytes::from_static(b"\xff"), fin: true }).unwrap_err();
    client.send("a").unwrap();
    assert_eq!(key_number(frames(&drain(&mut client))[0].0.masking_key), 1);
}

thread_local! {
    static CHANCE: RefCell<Chance> = RefCell::new(Chance::new(17));
}

/// Keys come from the source that the caller gave, unchanged, and two frames share none unless the source repeats.
#[test]
fn the_source_of_keys_is_the_callers() {
    let keys = || CHANCE.with_borrow_mut(|chance| (chance.next() as u32).to_ne_bytes());
    let mut client = Connection::client(&Config::new(), Negotiated::default(), keys);
    let mut seen = HashSet::new();
    for _ in 0..1000 {
        client.send("the same text").unwrap();
        let wire = drain(&mut client);
        assert!(seen.insert(wire[2..6].to_vec()), "a key came twice");
    }
    let mut same = Chance::new(17);
    assert!((0..1000).all(|_| seen.contains(&(same.next() as u32).to_ne_bytes()[..])));
}

/// §5.3: transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4).
fn masked(payload: &[u8], key: [u8; 4], from: usize) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, byte)| byte ^ key[(from + i) % 4]).collect()
}

/// Every alignment and every length around the widths that the machine works in.
#[test]
fn the_mask_equals_its_definition_at_every_alignment() {
    let mut chance = Chance::new(3);
    let bytes = chance.bytes(600);
    for key in [[0x37, 0xfa, 0x21, 0x3d], [0; 4], [0xff, 0, 0, 0], [0, 0, 0, 1]] {
        for align in 0..32 {
            for len in (0..70).chain([127, 128, 255, 256, 257, 511, 512, 513]) {
                let expected = masked(&bytes[align..align + len], key, 0);
                let mut in_place = bytes.clone();
                let mut turned = MaskingKey::new(key);
                turned.apply(&mut in_place[align..align + len]);
                assert_eq!(in_place[align..align + len], expected, "in place, {align} {len}");
                assert_eq!(in_place[..align], bytes[..align]);
                assert_eq!(in_place[align + len..], bytes[align + len..]);

                let mut onto = b"before".to_vec();
                let mut copied = MaskingKey::new(key);
                copied.apply_onto(&bytes[align..align + len], &mut onto);
                assert_eq!(onto[6..], expected, "onto, {align} {len}");
                assert_eq!((&onto[..6], copied), (&b"before"[..], turned));
            }
        }
    }
}

/// Every length, over two blocks of `apply_onto` and eight turns of the widest loop, with every turn of the key.
#[test]
fn the_mask_equals_its_definition_at_every_length() {
    let bytes = Chance::new(4).bytes(2150);
    let key = [0x37, 0xfa, 0x21, 0x3d];
    for (align, turn) in [(0, 0), (1, 1), (16, 2), (31, 3)] {
        let bytes = &bytes[align..];
        let expected = masked(bytes, key, turn);
        let (mut in_place, mut onto) = (Vec::new(), Vec::new());
        for len in 0..=2100 {
            let mut turned = MaskingKey::new(key);
            turned.apply(&mut [0; 3][..turn]);
            let mut copied = turned;
            in_place.clear();
            in_place.extend_from_slice(bytes);
            turned.apply(&mut in_place[..len]);
            assert!(
                in_place[..len] == expected[..len] && in_place[len..] == bytes[len..],
                "{len} from {turn}"
            );
            onto.clear();
            copied.apply_onto(&bytes[..len], &mut onto);
            assert!(onto == expected[..len], "{len} from {turn}, onto");
            let next = masked(&[0; 4], key, turn + len);
            assert_eq!(
                (&turned.to_bytes()[..], copied),
                (&next[..], turned),
                "the key behind {len} from {turn}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_cutting_of_a_payload_is_masked_like_the_whole(
        payload in prop::collection::vec(any::<u8>(), 0..5000),
        key in any::<[u8; 4]>(),
        cuts in prop::collection::vec((0..5000usize, any::<bool>()), 0..6),
    ) {
        let expected = masked(&payload, key, 0);
        let mut cuts: Vec<_> = cuts.into_iter().map(|(at, onto)| (at.min(payload.len()), onto)).collect();
        cuts.push((payload.len(), false));
        cuts.sort_unstable();
        let (mut seen, mut from, mut turned) = (Vec::new(), 0, MaskingKey::new(key));
        for (to, onto) in cuts {
            if onto {
                turned.apply_onto(&payload[from..to], &mut seen);
            } else {
                let mut piece = payload[from..to].to_vec();
                turned.apply(&mut piece);
                seen.extend(piece);
            }
            from = to;
        }
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(turned.to_bytes().to_vec(), masked(&[0; 4], key, payload.len()));
    }
}
