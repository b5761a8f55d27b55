//! Masking against a loop over bytes. RFC 6455 §5.3.

use sansocket::frame::MaskingKey;

use super::source::Source;

/// The input is a key, cuts, and a payload: masked in any pieces, in place or onto a buffer, it is what the RFC's
/// formula makes of it, and the key ends up turned to the byte that comes next.
pub fn mask(data: &[u8]) {
    let mut source = Source::new(data);
    let key: [u8; 4] = source.array();
    let cuts = source.cuts();
    // More than one block of whatever width the fast path works in.
    let repeated = 1 + usize::from(source.byte() & 0xF);
    let payload = source.rest().repeat(repeated);
    let expected = naive(key, &payload);
    let turned = core::array::from_fn(|i| key[(payload.len() + i) % 4]);

    let mut in_place = payload.clone();
    let mut in_place_key = MaskingKey::new(key);
    in_place_key.apply(&mut in_place);
    assert_eq!((in_place, in_place_key.to_bytes()), (expected.clone(), turned), "in place");

    let mut onto = Vec::new();
    let mut onto_key = MaskingKey::new(key);
    onto_key.apply_onto(&payload, &mut onto);
    assert_eq!((onto, onto_key.to_bytes()), (expected.clone(), turned), "onto a buffer");

    let (mut in_pieces, mut onto_pieces) = (Vec::new(), Vec::new());
    let (mut in_pieces_key, mut onto_pieces_key) = (MaskingKey::new(key), MaskingKey::new(key));
    for piece in cuts.pieces(&payload) {
        let mut copy = piece.to_vec();
        in_pieces_key.apply(&mut copy);
        in_pieces.extend(copy);
        onto_pieces_key.apply_onto(piece, &mut onto_pieces);
    }
    assert_eq!((in_pieces, in_pieces_key.to_bytes()), (expected.clone(), turned), "in place, in pieces");
    assert_eq!((onto_pieces, onto_pieces_key.to_bytes()), (expected, turned), "onto a buffer, in pieces");
}

/// §5.3: `transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)`.
fn naive(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
}
