//! Incremental UTF-8 validation that fails at the first impossible byte. Knows nothing of frames. RFC 6455 §8.1.

use core::{
    error::Error,
    fmt,
    str::{self, Utf8Error},
};

/// Below this length ASCII is looked for first, as vectors begin only here.
const SHORT: usize = 64;

/// Bytes that no continuation can make UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not UTF-8")
    }
}

impl Error for InvalidUtf8 {}

/// Validates a text that arrives in pieces, cut anywhere.
///
/// ```
/// use sansocket::utf8::Validator;
///
/// let mut validator = Validator::new();
/// assert!(validator.push(b"gr\xc3").is_ok());
/// assert!(validator.push(b"\xbc\xc3\x9fe").is_ok());
/// assert!(validator.finish().is_ok());
///
/// // A surrogate half is refused at its second byte, before the third has arrived.
/// assert!(validator.push(b"\xed\xa0").is_err());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Validator {
    /// The beginning of a character whose rest has not arrived: `carry[..len]`, and `len < 4`.
    carry: [u8; 4],
    len: u8,
}

impl Validator {
    /// A validator at the start of a text.
    pub const fn new() -> Self {
        Self { carry: [0; 4], len: 0 }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// If what has been pushed can no longer become UTF-8. The validator is then at the start of a new text.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = self.complete_carry(bytes)?;
        let (whole, tail) = rest.split_at(last_boundary(rest));
        if !is_text(whole) {
            return Err(self.fail());
        }
        if tail.is_empty() { Ok(()) } else { self.carry(tail) }
    }

    /// Ends the text; the validator is then at the start of a new one.
    ///
    /// # Errors
    ///
    /// If the text ends inside a character.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if self.len == 0 { Ok(()) } else { Err(self.fail()) }
    }

    /// Moves bytes behind the carried ones until their character is whole; returns what is left.
    fn complete_carry<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], InvalidUtf8> {
        while self.len > 0 {
            let Some((&next, rest)) = bytes.split_first() else { break };
            self.carry[usize::from(self.len)] = next;
            self.len += 1;
            bytes = rest;
            match str::from_utf8(&self.carry[..self.len.into()]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(self.fail()),
            }
        }
        Ok(bytes)
    }

    /// Keeps the beginning of a character, if it is one.
    fn carry(&mut self, tail: &[u8]) -> Result<(), InvalidUtf8> {
        if str::from_utf8(tail).is_err_and(|error| error.error_len().is_some()) {
            return Err(self.fail());
        }
        self.carry[..tail.len()].copy_from_slice(tail);
        // Fewer than four bytes.
        self.len = tail.len() as u8;
        Ok(())
    }

    fn fail(&mut self) -> InvalidUtf8 {
        *self = Self::new();
        InvalidUtf8
    }
}

/// Whether the bytes are a whole text.
#[inline]
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    bytes.len() < SHORT && bytes.is_ascii() || simdutf8::basic::from_utf8(bytes).is_ok()
}

/// The bytes as a text, like [`str::from_utf8`] and, from 64 bytes on, in a third to a tenth of its instructions.
pub(crate) fn check(bytes: &[u8]) -> Result<&str, Utf8Error> {
    // The one says only whether it is a text, the other where it breaks.
    simdutf8::basic::from_utf8(bytes).or_else(|_| str::from_utf8(bytes))
}

/// Where the last character begins if its rest may be to come, otherwise the end.
fn last_boundary(bytes: &[u8]) -> usize {
    // As many ones lead the first byte of a character as it has bytes; one leads each of the others.
    if bytes.last().is_none_or(u8::is_ascii) {
        return bytes.len();
    }
    let is_cut = |back: &usize| bytes[bytes.len() - back].leading_ones() as usize > *back;
    bytes.len() - (1..=bytes.len().min(3)).find(is_cut).unwrap_or(0)
}
