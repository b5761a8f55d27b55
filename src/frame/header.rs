//! Frame headers: their syntax, both ways, and the rules that hold whatever came before. RFC 6455 §5.2.

use bytes::BufMut;

use super::{MaskingKey, OpCode};
use crate::error::ProtocolError;

/// The longest payload with a length of seven bits, and of any control frame.
const MAX_SHORT: u64 = 125;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// The two bytes that every frame begins with.
///
/// They say enough to judge most frames by, before the rest of the header has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Whether the frame ends its message.
    pub fin: bool,
    /// RSV1 to RSV3 as a number: 4 is RSV1, 2 is RSV2, 1 is RSV3.
    pub rsv: u8,
    /// What the frame is for.
    pub opcode: OpCode,
    /// Whether a masking key ends the header.
    pub masked: bool,
    /// The seven length bits.
    length: u8,
}

impl Start {
    /// Reads the first two bytes of a frame.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::ReservedOpCode`].
    #[inline]
    pub const fn parse([first, second]: [u8; 2]) -> Result<Self, ProtocolError> {
        let opcode = match OpCode::parse(first) {
            Ok(opcode) => opcode,
            Err(error) => return Err(error),
        };
        Ok(Self {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 0b111,
            opcode,
            masked: second & 0x80 != 0,
            length: second & 0x7F,
        })
    }

    /// Whether the payload is longer than the 125 bytes that a control frame may have (§5.5).
    pub const fn exceeds_control(&self) -> bool {
        self.length as u64 > MAX_SHORT
    }

    /// The length of the header in bytes: 2 to 14.
    #[inline]
    pub const fn header_len(&self) -> usize {
        2 + self.extended_len() + if self.masked { 4 } else { 0 }
    }

    /// The payload length, from the bytes behind the first two; `None` if they have not all arrived.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::LengthNotMinimal`] and [`ProtocolError::LengthOutOfRange`].
    #[inline]
    pub fn payload_len(&self, behind: &[u8]) -> Result<Option<u64>, ProtocolError> {
        let (length, shorter_form) = match self.length {
            LENGTH_16 => match behind.first_chunk() {
                Some(bytes) => (u16::from_be_bytes(*bytes).into(), MAX_SHORT),
                None => return Ok(None),
            },
            LENGTH_64 => match behind.first_chunk() {
                Some(bytes) => (u64::from_be_bytes(*bytes), u16::MAX.into()),
                None => return Ok(None),
            },
            short => return Ok(Some(short.into())),
        };
        // §5.2: the minimal number of bytes is used to encode the length.
        if length <= shorter_form {
            return Err(ProtocolError::LengthNotMinimal);
        }
        // §5.2: the most significant bit of a 64-bit length is 0.
        if length >> 63 != 0 {
            return Err(ProtocolError::LengthOutOfRange);
        }
        Ok(Some(length))
    }

    /// The masking key of a masked frame, from the bytes behind the first two; `None` if they have not all
    /// arrived. A frame that is not masked has the key that changes nothing.
    #[inline]
    pub fn masking_key(&self, behind: &[u8]) -> Option<MaskingKey> {
        if !self.masked {
            return Some(MaskingKey::default());
        }
        behind.get(self.extended_len()..)?.first_chunk().copied().map(MaskingKey::new)
    }

    const fn extended_len(&self) -> usize {
        match self.length {
            LENGTH_16 => 2,
            LENGTH_64 => 8,
            _ => 0,
        }
    }
}

/// A frame's header.
///
/// ```
/// use sansocket::frame::{Header, OpCode};
///
/// let wire = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o']; // §5.7
/// let (header, len) = Header::parse(&wire)?.expect("a whole header");
/// assert_eq!((header.opcode, header.payload_len, len), (OpCode::Text, 5, 2));
///
/// let mut written = Vec::new();
/// header.write(&mut written);
/// assert_eq!(written, &wire[..len]);
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether the frame ends its message.
    pub fin: bool,
    /// RSV1 to RSV3 as a number: 4 is RSV1, 2 is RSV2, 1 is RSV3. Higher bits are not written.
    pub rsv: u8,
    /// What the frame is for.
    pub opcode: OpCode,
    /// The key that masks the payload, if it is masked.
    pub masking_key: Option<MaskingKey>,
    /// The length of the payload in bytes, below 2^63.
    pub payload_len: u64,
}

impl Header {
    /// The longest header: two bytes, eight of length, four of key.
    pub const MAX_LEN: usize = 14;

    /// Reads the header at the front of `bytes` and its length; `None` if it has not all arrived.
    ///
    /// Only syntax is judged here. Whether the frame may come now is the business of a connection.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::ReservedOpCode`], [`ProtocolError::LengthNotMinimal`] and
    /// [`ProtocolError::LengthOutOfRange`], each as soon as the bytes that show it are there.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((first, behind)) = bytes.split_first_chunk() else { return Ok(None) };
        let start = Start::parse(*first)?;
        let Some(payload_len) = start.payload_len(behind)? else { return Ok(None) };
        let Some(key) = start.masking_key(behind) else { return Ok(None) };
        let Start { fin, rsv, opcode, masked, .. } = start;
        let header = Self { fin, rsv, opcode, masking_key: masked.then_some(key), payload_len };
        Ok(Some((header, start.header_len())))
    }

    /// The length of the header itself, in bytes: 2 to 14.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        let key = if self.masking_key.is_some() { 4 } else { 0 };
        match self.payload_len {
            0..=MAX_SHORT => 2 + key,
            126..=0xffff => 4 + key,
            _ => 10 + key,
        }
    }

    /// Writes the header, with the length in its shortest form.
    // Always inlined, as most of it is known where a header is written.
    #[inline(always)]
    pub fn write(&self, out: &mut impl BufMut) {
        let first = u8::from(self.fin) << 7 | (self.rsv & 0b111) << 4 | self.opcode as u8;
        let mask_bit = u8::from(self.masking_key.is_some()) << 7;
        // Pieces of a fixed length are not worth a call.
        if self.payload_len <= MAX_SHORT {
            out.put_slice(&[first, mask_bit | self.payload_len as u8]);
        } else if let Ok(length) = u16::try_from(self.payload_len) {
            let [high, low] = length.to_be_bytes();
            out.put_slice(&[first, mask_bit | LENGTH_16, high, low]);
        } else {
            out.put_slice(&[first, mask_bit | LENGTH_64]);
            out.put_u64(self.payload_len);
        }
        if let Some(key) = self.masking_key {
            out.put_slice(&key.to_bytes());
        }
    }
}
