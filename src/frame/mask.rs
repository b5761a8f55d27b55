//! Masking, with the key kept in step across pieces. RFC 6455 §5.3.

use bytes::BufMut;

/// Bytes handled at a time: enough for the compiler to use the widest registers it has.
const LANE: usize = 64;

/// A masking key, turned so that its first byte is for the next byte of payload.
///
/// ```
/// use sansocket::frame::MaskingKey;
///
/// // The masked "Hello" of §5.7, unmasked in two pieces.
/// let mut key = MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]);
/// let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let (first, second) = payload.split_at_mut(3);
/// key.apply(first);
/// key.apply(second);
/// assert_eq!(&payload, b"Hello");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MaskingKey([u8; 4]);

impl MaskingKey {
    /// The key with these bytes.
    pub const fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// The bytes of the key, the one for the next byte of payload first.
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// Masks or unmasks the next piece of payload in place, and turns the key past it.
    pub fn apply(&mut self, payload: &mut [u8]) {
        if self.0 == [0; 4] {
            return;
        }
        let (lanes, rest) = payload.as_chunks_mut::<LANE>();
        if !lanes.is_empty() {
            let wide = self.widen();
            for lane in lanes {
                for (byte, key) in lane.iter_mut().zip(wide) {
                    *byte ^= key;
                }
            }
        }
        let (words, tail) = rest.as_chunks_mut::<4>();
        for word in words {
            *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(self.0)).to_ne_bytes();
        }
        for (byte, key) in tail.iter_mut().zip(self.0) {
            *byte ^= key;
        }
        self.turn(tail.len());
    }

    /// Appends the next piece of payload to `out`, masked: the mask is the copy.
    pub fn apply_onto(&mut self, payload: &[u8], out: &mut impl BufMut) {
        let mut block = [0; 4 * LANE];
        for piece in payload.chunks(block.len()) {
            let masked = &mut block[..piece.len()];
            masked.copy_from_slice(piece);
            self.apply(masked);
            out.put_slice(masked);
        }
    }

    fn widen(self) -> [u8; LANE] {
        core::array::from_fn(|i| self.0[i % 4])
    }

    fn turn(&mut self, by: usize) {
        self.0.rotate_left(by % 4);
    }
}
