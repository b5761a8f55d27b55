//! A message that is one frame and is all there, as nearly all are. RFC 6455 §5.2, §5.3, §8.1.
//!
//! The steps and the rules of the pipe, in one go: nothing is ever open. Whatever is unusual stays as it came, for the
//! pipe to take apart, and to say what is wrong with it.

use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};

use super::{
    admit::{Terms, admit_len},
    assemble::{COPIED_BELOW, message, take},
};
use crate::{
    config::Role,
    event::{Chunk, Kind, Message},
    frame::{MaskingKey, OpCode},
    utf8::is_text,
};

/// The first byte of a text message that is one frame, is not compressed, and has no reserved bit set.
const TEXT: u8 = 0x80 | OpCode::Text as u8;
/// The same of a binary one.
const BINARY: u8 = 0x80 | OpCode::Binary as u8;

/// A message that was never open.
#[derive(Debug)]
pub(super) struct Whole {
    kind: Kind,
    payload: Bytes,
    /// How long its frame was.
    pub(super) frame_len: usize,
}

impl Whole {
    /// Takes the message at the front of the input, if it is usual and all there.
    // As `Receiver::whole`, and so are its steps.
    #[inline(always)]
    pub(super) fn take(input: &mut BytesMut, terms: &Terms) -> Option<Self> {
        let front = Front::of(input, terms)?;
        if front.len >= COPIED_BELOW {
            return front.split(input);
        }
        let whole = front.copy(input)?;
        if whole.frame_len == input.len() {
            // Its room is there again.
            input.clear();
        } else {
            input.advance(whole.frame_len);
        }
        Some(whole)
    }

    /// Copies the message at the front of the input, if it is usual and all there.
    #[cfg(feature = "tokio")]
    #[inline(always)]
    pub(super) fn copy(input: &[u8], terms: &Terms) -> Option<Self> {
        Front::of(input, terms)?.copy(input)
    }
}

/// What the header at the front of the input says.
struct Front {
    kind: Kind,
    header_len: usize,
    len: usize,
    key: MaskingKey,
}

impl Front {
    /// If it is usual.
    #[inline(always)]
    fn of(input: &[u8], terms: &Terms) -> Option<Self> {
        let (&[first, second], behind) = input.split_first_chunk()?;
        let kind = match first {
            TEXT => Kind::Text,
            BINARY => Kind::Binary,
            _ => return None,
        };
        // With the mask bit as it has to be (§5.1), seven bits of length are left.
        let (len, behind) = match second ^ mask_bit(terms.role) {
            len @ 0..=125 => (len.into(), behind),
            126 => {
                let (len, behind) = behind.split_first_chunk()?;
                (Some(u16::from_be_bytes(*len).into()).filter(|len| *len > 125)?, behind)
            }
            127 => {
                let (len, behind) = behind.split_first_chunk()?;
                let len = usize::try_from(u64::from_be_bytes(*len)).ok()?;
                (Some(len).filter(|len| *len > u16::MAX.into())?, behind)
            }
            _ => return None,
        };
        let (key, behind) = match terms.role {
            Role::Server => behind.split_first_chunk()?,
            Role::Client => (&[0; 4], behind),
        };
        admit_len(len as u64, Some(len as u64), terms).ok()?;
        Some(Self { kind, header_len: input.len() - behind.len(), len, key: MaskingKey::new(*key) })
    }

    /// Copies the payload out of the input.
    #[inline(always)]
    fn copy(self, input: &[u8]) -> Option<Whole> {
        let mut payload: Box<[u8]> = input[self.header_len..].get(..self.len)?.into();
        self.key.apply_whole(&mut payload);
        is_valid(&payload, self.kind).then(|| self.whole(payload.into()))
    }

    /// Takes the payload out of the input as it is.
    #[inline(never)]
    fn split(self, input: &mut BytesMut) -> Option<Whole> {
        let payload = input[self.header_len..].get_mut(..self.len)?;
        self.key.apply_whole(payload);
        if !is_valid(payload, self.kind) {
            self.key.apply_whole(payload);
            return None;
        }
        input.advance(self.header_len);
        let payload = take(input, self.len);
        Some(self.whole(payload))
    }

    #[inline(always)]
    fn whole(self, payload: Bytes) -> Whole {
        Whole { kind: self.kind, payload, frame_len: self.header_len + self.len }
    }
}

#[inline(always)]
fn is_valid(payload: &[u8], kind: Kind) -> bool {
    kind == Kind::Binary || is_text(payload)
}

/// The first bit of the second byte, in frames to this end.
const fn mask_bit(role: Role) -> u8 {
    match role {
        Role::Server => 0x80,
        Role::Client => 0,
    }
}

impl From<Whole> for Message {
    fn from(Whole { kind, payload, .. }: Whole) -> Self {
        message(kind, payload)
    }
}

impl From<Whole> for Chunk {
    fn from(Whole { kind, payload, .. }: Whole) -> Self {
        Self { kind, data: payload, fin: true }
    }
}
