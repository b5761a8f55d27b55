//! Payloads, and the two ends of a connection.

use bytes::{Buf, Bytes, BytesMut};
use sansocket::{Config, Connection, Negotiated, frame::MaskingKey};

pub(crate) const KEY: MaskingKey = MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]);

pub(crate) fn ascii(len: usize) -> String {
    "the quick brown fox; ".chars().cycle().take(len).collect()
}

/// Two, three and four bytes a character, between words in ASCII: `len` bytes at most.
pub(crate) fn mixed(len: usize) -> String {
    let mut text = String::new();
    for character in "grüße, 你好 😀 and plain words; ".chars().cycle() {
        if text.len() + character.len_utf8() > len {
            return text;
        }
        text.push(character);
    }
    text
}

pub(crate) fn client(negotiated: Negotiated) -> Connection {
    Connection::client(&Config::new(), negotiated, || KEY.to_bytes())
}

pub(crate) fn server(negotiated: Negotiated) -> Connection {
    Connection::server(&Config::new(), negotiated)
}

/// All that waits to be sent.
pub(crate) fn drain(from: &mut Connection) -> Bytes {
    let waiting = from.transmit();
    waiting.copy_to_bytes(waiting.remaining())
}

/// Takes what waits to be sent without looking at it.
pub(crate) fn discard(from: &mut Connection) {
    let waiting = from.transmit();
    waiting.advance(waiting.remaining());
}

/// Bytes as a socket gives them: in a block of their own that can be written to.
pub(crate) fn arrived(wire: &Bytes) -> BytesMut {
    BytesMut::from(&wire[..])
}
