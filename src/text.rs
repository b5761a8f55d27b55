//! Bytes that are known to be UTF-8.

use alloc::string::String;
use core::{fmt, ops::Deref, str::Utf8Error};

use bytes::Bytes;

use crate::utf8::check;

/// A UTF-8 string in shared [`Bytes`]: cloning and taking over a received payload copy nothing.
///
/// ```
/// use sansocket::Text;
///
/// let text = Text::from("grüße");
/// assert_eq!(text.to_uppercase(), "GRÜSSE");
/// assert!(Text::try_from(bytes::Bytes::from_static(b"\xff")).is_err());
/// ```
///
/// There is no `unsafe` to leave it out, so each [`as_str`](Self::as_str) checks the bytes again, in time linear in
/// their number; [`as_bytes`](Self::as_bytes) is free. Keep the `&str` rather than asking for it in a loop.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// A text from a constant.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Takes bytes that a validator has already passed.
    pub(crate) fn from_validated(bytes: Bytes) -> Self {
        debug_assert!(check(&bytes).is_ok());
        Self(bytes)
    }

    /// The text as a string slice.
    pub fn as_str(&self) -> &str {
        check(&self.0).expect("a Text is made from UTF-8 only")
    }

    /// The encoded bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Gives the encoded bytes back.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::from_static(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        check(&bytes)?;
        Ok(Self(bytes))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
