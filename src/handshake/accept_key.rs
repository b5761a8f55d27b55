//! The proof that a server has read the request. RFC 6455 §1.3, §4.2.2.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

/// What a server concatenates to the key, so that only one that knows WebSocket can answer (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` for a value of `Sec-WebSocket-Key`, as it stands in the header.
///
/// ```
/// use sansocket::handshake::accept_key;
///
/// assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // §1.3
/// ```
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    // §4.2.2: the key is taken as it is, undecoded.
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    STANDARD.encode_slice(digest, &mut accept).expect("20 bytes are 28 characters of base64");
    accept
}

/// The value of `Sec-WebSocket-Key` for a nonce.
pub(super) fn write_key(nonce: [u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    STANDARD.encode_slice(nonce, &mut key).expect("16 bytes are 24 characters of base64");
    key
}

/// A value of `Sec-WebSocket-Key`, if it is one.
pub(super) fn parse_key(value: &[u8]) -> Option<[u8; 24]> {
    // The length is judged first: a long value costs nothing. 24 characters decode to 18 bytes at most.
    let key = <[u8; 24]>::try_from(value).ok()?;
    // §4.2.1: base64 that, decoded, is 16 bytes long. The engine refuses missing padding and bits behind the end.
    let mut nonce = [0; 18];
    (STANDARD.decode_slice(key, &mut nonce) == Ok(16)).then_some(key)
}
