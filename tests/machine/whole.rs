//! §5.2: a frame that is all there goes through the receiver in one go, and one whose last byte comes later does not: what
//! is heard, said and counted is the same.

use bytes::BytesMut;
use sansocket::{Config, Connection, Event, ProtocolError, Role, Traffic};

use crate::support::{
    player::{connection, drain},
    wire::{frame, peer},
};

const KEY: [u8; 4] = [9, 8, 7, 6];

/// Everything that comes of some bytes.
type Outcome = (Vec<Event>, Option<ProtocolError>, Vec<u8>, Traffic);

/// How the length of the payload is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Bits7,
    Bits16,
    Bits64,
}

/// A frame as it never leaves a sender: its length in any form, masked or not.
fn wire(first: u8, form: Form, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut wire = vec![first];
    match form {
        Form::Bits7 => wire.push(mask_bit | payload.len() as u8),
        Form::Bits16 => {
            wire.push(mask_bit | 126);
            wire.extend((payload.len() as u16).to_be_bytes());
        }
        Form::Bits64 => {
            wire.push(mask_bit | 127);
            wire.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if masked {
        wire.extend(KEY);
        wire.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        wire.extend(payload);
    }
    wire
}

fn outcome(mut end: Connection, pieces: [&[u8]; 2]) -> Outcome {
    let (mut input, mut events) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Ok(Some(event)) = end.receive(&mut input) {
            events.push(event);
        }
    }
    assert!(input.is_empty());
    let output = drain(&mut end);
    (events, end.error(), output, end.received())
}

/// With a message behind it, which shows what was taken.
fn judge(role: Role, config: &Config, frame_wire: &[u8]) {
    let wire = [frame_wire, &frame(peer(role), true, 1, b"next")[..]].concat();
    let last = frame_wire.len() - 1;
    let mut at_once = outcome(connection(role, config), [&wire, b""]);
    let mut late = outcome(connection(role, config), [&wire[..last], &wire[last..]]);
    // What comes behind an error is not counted, and the last byte of the frame may be behind it.
    if at_once.1.is_some() {
        (at_once.3.bytes, late.3.bytes) = (0, 0);
    }
    let head = &frame_wire[..frame_wire.len().min(16)];
    assert_eq!(at_once, late, "{role:?} {head:02x?} of {}", frame_wire.len());
}

fn configs() -> [Config; 3] {
    let mut small_frames = Config::new();
    small_frames.limits.frame = 2;
    let mut small_messages = Config::new();
    small_messages.limits.message = 125;
    [Config::new(), small_frames, small_messages]
}

fn judge_all(firsts: &[u8], payloads: &[Vec<u8>]) {
    for role in [Role::Server, Role::Client] {
        for config in configs() {
            for payload in payloads {
                for form in [Form::Bits7, Form::Bits16, Form::Bits64] {
                    if matches!(form, Form::Bits7) && payload.len() > 125 {
                        continue;
                    }
                    for masked in [true, false] {
                        for first in firsts {
                            judge(role, &config, &wire(*first, form, masked, payload));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_first_byte_with_every_form_of_length() {
    let payloads = [1, 2, 3, 125, 126, 127].map(|len| vec![b'x'; len]);
    judge_all(&Vec::from_iter(0..=255), &payloads);
}

#[test]
fn text_that_is_not_utf8() {
    let payloads: [&[u8]; 6] =
        [b"\xff", b"gr\xc3\xbc", b"gr\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"a\xf0\x9f\x98"];
    judge_all(&[0x81, 0x82], &payloads.map(<[u8]>::to_vec));
}

#[test]
fn messages_about_as_large_as_those_that_are_copied() {
    let payloads = [300, 16_383, 16_384, 16_385, 65_535, 65_536].map(|len| vec![b'x'; len]);
    judge_all(&[0x81, 0x82], &payloads);
}

/// What is masked may look like text: it is not unmasked twice.
#[test]
fn large_text_that_is_utf8_only_as_long_as_it_is_masked() {
    for len in [100, 16_384, 65_536] {
        let form = if len < 65_536 { Form::Bits16 } else { Form::Bits64 };
        let form = if len < 126 { Form::Bits7 } else { form };
        let mut input = BytesMut::from(&wire(0x81, form, true, &vec![b'a' ^ 0x80; len])[..]);
        // With this key each byte of the payload is an `a` on the wire.
        let start = input.len() - len;
        input[start - 4..start].fill(0x80);
        input[start..].fill(b'a');
        let mut end = connection(Role::Server, &Config::new());
        assert_eq!(end.receive(&mut input), Err(ProtocolError::TextNotUtf8), "{len}");
    }
}
