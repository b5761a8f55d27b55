//! Incremental UTF-8 validation that fails at the first impossible byte. Knows nothing of frames. RFC 6455 §8.1.

use core::{error::Error, fmt, str};

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
    len: usize,
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
        let Err(error) = str::from_utf8(rest) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(self.fail());
        }
        let tail = &rest[error.valid_up_to()..];
        self.carry[..tail.len()].copy_from_slice(tail);
        self.len = tail.len();
        Ok(())
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
            self.carry[self.len] = next;
            self.len += 1;
            bytes = rest;
            match str::from_utf8(&self.carry[..self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(self.fail()),
            }
        }
        Ok(bytes)
    }

    fn fail(&mut self) -> InvalidUtf8 {
        *self = Self::new();
        InvalidUtf8
    }
}
