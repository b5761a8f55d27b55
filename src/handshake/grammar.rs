//! The grammar of header values: tokens, quoted strings, and the lists made of them. RFC 9110 §5.6, RFC 6455 §9.1.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::str;

/// Whether this is a token: a word that needs no quotes.
pub(super) fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().copied().all(is_token_char)
}

/// Whether this may be the value of a header that we write: visible ASCII, with spaces and tabs inside only.
pub(super) fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) && value == trim_whitespace(value)
}

/// A value without the spaces and tabs around it, which are no part of it (RFC 9110 §5.5).
pub(super) fn trim_whitespace(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A value that is no list of the expected kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The tokens of a comma-separated list, as bytes: what makes them tokens makes them ASCII.
pub(super) fn tokens(value: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    elements(value, Cursor::token)
}

/// The protocols of an `Upgrade` header, each with its version if it has one (RFC 9110 §7.8).
pub(super) fn protocols(value: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    elements(value, Cursor::protocol)
}

/// An extension that a client offers, with its parameters (§9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a str,
    params: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

impl<'a> Extension<'a> {
    /// The name, as sent.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The parameters in order: name, and value if it has one, without quotes. Not judged, so a name may be repeated.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&str>)> {
        self.params.iter().map(|(name, value)| (*name, value.as_deref()))
    }
}

/// The extensions of a comma-separated list.
pub(super) fn extensions(value: &[u8]) -> impl Iterator<Item = Result<Extension<'_>, Malformed>> {
    elements(value, Cursor::extension)
}

/// The elements of a list, up to the first that is malformed.
fn elements<'a, T>(
    value: &'a [u8],
    parse: impl Fn(&mut Cursor<'a>) -> Option<T>,
) -> impl Iterator<Item = Result<T, Malformed>> {
    let mut cursor = Cursor(value);
    core::iter::from_fn(move || {
        cursor.skip_commas();
        if cursor.0.is_empty() {
            return None;
        }
        let element = parse(&mut cursor).filter(|_| cursor.ends_element());
        if element.is_none() {
            cursor.0 = &[];
        }
        Some(element.ok_or(Malformed))
    })
}

/// What is left of a value.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// `extension-token *( ";" extension-param )`
    fn extension(&mut self) -> Option<Extension<'a>> {
        let name = self.word()?;
        let mut params = Vec::new();
        while self.skip_separator(b';') {
            params.push(self.param()?);
        }
        Some(Extension { name, params })
    }

    /// `token [ "=" ( token | quoted-string ) ]`
    fn param(&mut self) -> Option<(&'a str, Option<Cow<'a, str>>)> {
        let name = self.word()?;
        if !self.skip_separator(b'=') {
            return Some((name, None));
        }
        let value = if self.skip(b'"') { self.quoted()? } else { self.word()?.into() };
        Some((name, Some(value)))
    }

    /// A token as a string.
    fn word(&mut self) -> Option<&'a str> {
        str::from_utf8(self.token()?).ok()
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let len = self.0.iter().position(|&byte| !is_token_char(byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// `token [ "/" token ]`
    fn protocol(&mut self) -> Option<&'a [u8]> {
        let start = self.0;
        self.token()?;
        if self.skip(b'/') {
            self.token()?;
        }
        Some(&start[..start.len() - self.0.len()])
    }

    /// The rest of a quoted string, without its escapes.
    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let mut unescaped = String::new();
        while !self.skip(b'"') {
            self.skip(b'\\');
            // §9.1: the value of a quoted string, after unescaping, is a token.
            let (&byte, rest) = self.0.split_first().filter(|(byte, _)| is_token_char(**byte))?;
            unescaped.push(byte.into());
            self.0 = rest;
        }
        (!unescaped.is_empty()).then_some(unescaped.into())
    }

    /// RFC 9110 §5.6.1.2: empty elements are ignored.
    fn skip_commas(&mut self) {
        while self.skip_separator(b',') {}
    }

    /// Whether an element ends here: at a comma or with the value.
    fn ends_element(&mut self) -> bool {
        self.skip_whitespace();
        matches!(self.0.first(), None | Some(b','))
    }

    /// Skips one separator with the whitespace around it, and says whether there was one.
    fn skip_separator(&mut self, separator: u8) -> bool {
        self.skip_whitespace();
        let found = self.skip(separator);
        self.skip_whitespace();
        found
    }

    fn skip_whitespace(&mut self) {
        while self.skip(b' ') || self.skip(b'\t') {}
    }

    fn skip(&mut self, byte: u8) -> bool {
        self.0.split_first().is_some_and(|(first, rest)| {
            let found = *first == byte;
            if found {
                self.0 = rest;
            }
            found
        })
    }
}

/// A table, as every byte of every name and list is looked up.
const IS_TOKEN_CHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let char = byte as u8;
        table[byte] = char.is_ascii_alphanumeric()
            || matches!(char, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

const fn is_token_char(byte: u8) -> bool {
    IS_TOKEN_CHAR[byte as usize]
}
