//! The incremental validator against the standard library and against a naive twin. RFC 6455 §8.1.

use sansocket::utf8::{InvalidUtf8, Validator};

use super::source::{Cuts, Source};

/// The input is cuts and a text: the verdict does not depend on the cuts, is that of the standard library, and
/// falls at the first byte that no continuation can save.
pub fn utf8(data: &[u8]) {
    let mut source = Source::new(data);
    let cuts = source.cuts();
    let text = source.rest();
    let twin = Twin::judge(text);
    match core::str::from_utf8(text) {
        Ok(_) => assert_eq!(twin, Verdict::Valid),
        Err(error) if error.error_len().is_none() => assert_eq!(twin, Verdict::Incomplete),
        Err(error) => {
            let within = error.valid_up_to()..error.valid_up_to() + 4;
            assert!(matches!(twin, Verdict::ImpossibleAt(at) if within.contains(&at)), "{twin:?}");
        }
    }
    judge_in(cuts, text, twin);
    judge_in(Cuts::EVERYWHERE, text, twin);
    judge_whole(text, twin);
}

fn judge_in(cuts: Cuts<'_>, text: &[u8], twin: Verdict) {
    let mut validator = Validator::new();
    let mut pushed = 0;
    for piece in cuts.pieces(text) {
        pushed += piece.len();
        let expected = if twin.is_impossible_within(pushed) { Err(InvalidUtf8) } else { Ok(()) };
        assert_eq!(validator.push(piece), expected, "after {pushed} bytes");
        if expected.is_err() {
            return is_fresh(validator);
        }
    }
    let expected = if twin == Verdict::Valid { Ok(()) } else { Err(InvalidUtf8) };
    assert_eq!(validator.finish(), expected, "at the end");
    is_fresh(validator);
}

fn judge_whole(text: &[u8], twin: Verdict) {
    let mut validator = Validator::new();
    let verdict = validator.push(text).and_then(|()| validator.finish());
    assert_eq!(verdict.is_ok(), twin == Verdict::Valid);
}

/// After a verdict the validator is at the start of a new text.
fn is_fresh(mut validator: Validator) {
    assert_eq!(validator.finish(), Ok(()));
    assert_eq!(validator.push("ß".as_bytes()), Ok(()));
    assert_eq!(validator.finish(), Ok(()));
    assert_eq!(validator.push(b"\x9f"), Err(InvalidUtf8));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Valid,
    /// Valid so far, inside a character.
    Incomplete,
    /// The byte at this place cannot be there.
    ImpossibleAt(usize),
}

impl Verdict {
    fn is_impossible_within(self, pushed: usize) -> bool {
        matches!(self, Self::ImpossibleAt(at) if at < pushed)
    }
}

/// Table 3-7 of the Unicode Standard, one byte at a time.
#[derive(Default)]
struct Twin {
    /// Bytes of the character that are to come, and the range of the next one.
    missing: u8,
    low: u8,
    high: u8,
}

impl Twin {
    fn judge(text: &[u8]) -> Verdict {
        let mut twin = Self::default();
        match text.iter().position(|byte| !twin.admit(*byte)) {
            Some(at) => Verdict::ImpossibleAt(at),
            None if twin.missing > 0 => Verdict::Incomplete,
            None => Verdict::Valid,
        }
    }

    fn admit(&mut self, byte: u8) -> bool {
        if self.missing > 0 {
            let is_possible = (self.low..=self.high).contains(&byte);
            *self = Self { missing: self.missing - 1, low: 0x80, high: 0xBF };
            return is_possible;
        }
        let (missing, low, high) = match byte {
            0x00..=0x7F => (0, 0, 0),
            0xC2..=0xDF => (1, 0x80, 0xBF),
            0xE0 => (2, 0xA0, 0xBF),
            0xED => (2, 0x80, 0x9F),
            0xE1..=0xEF => (2, 0x80, 0xBF),
            0xF0 => (3, 0x90, 0xBF),
            0xF1..=0xF3 => (3, 0x80, 0xBF),
            0xF4 => (3, 0x80, 0x8F),
            _ => return false,
        };
        *self = Self { missing, low, high };
        true
    }
}
