//! Masking, with the key kept in step across pieces. RFC 6455 §5.3.

mod lanes;

use bytes::BufMut;

/// A payload is masked on its way in blocks of so many bytes: the larger block would take longer to make than a short
/// payload to mask.
const SHORT_BLOCK: usize = 256;
const LONG_BLOCK: usize = 2048;

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
        lanes::mask(payload, self.0);
        self.turn(payload.len());
    }

    /// Masks or unmasks a whole payload in place.
    #[inline]
    pub(crate) fn apply_whole(self, payload: &mut [u8]) {
        lanes::mask(payload, self.0);
    }

    /// Appends the next piece of payload to `out`, masked: the mask is the copy.
    pub fn apply_onto(&mut self, payload: &[u8], out: &mut impl BufMut) {
        if payload.len() <= SHORT_BLOCK {
            self.apply_in_blocks::<SHORT_BLOCK>(payload, out);
        } else {
            self.apply_in_blocks::<LONG_BLOCK>(payload, out);
        }
    }

    fn apply_in_blocks<const LEN: usize>(&mut self, payload: &[u8], out: &mut impl BufMut) {
        let mut block = [0; LEN];
        for piece in payload.chunks(LEN) {
            let masked = &mut block[..piece.len()];
            masked.copy_from_slice(piece);
            self.apply(masked);
            out.put_slice(masked);
        }
    }

    fn turn(&mut self, by: usize) {
        let bits = 8 * (by % 4) as u32;
        self.0 = u32::from_le_bytes(self.0).rotate_right(bits).to_le_bytes();
    }
}
