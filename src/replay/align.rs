//! Two lists of frames side by side: what was said then, and what is said now.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Entry, Frame, What};

/// How far ahead a counterpart is looked for: it keeps the cost linear.
const AHEAD: usize = 64;

/// A frame, and when it was said.
pub(super) type Said = (Duration, Frame);

/// Where the two differ, in order.
pub(super) fn differences(then: &[Said], now: &[Said]) -> Vec<Entry> {
    let (mut i, mut j) = (0, 0);
    let mut found = Vec::new();
    loop {
        let (was, is) = (then.get(i), now.get(j));
        let (left, right) = match (was, is) {
            (None, None) => return found,
            (Some((_, was)), Some((_, is))) if was == is => {
                (i, j) = (i + 1, j + 1);
                continue;
            }
            (Some(was), Some(is)) if is_ahead(&then[i..], is) => (Some(was), None),
            (Some(was), Some(is)) if is_ahead(&now[j..], was) => (None, Some(is)),
            pair => pair,
        };
        let at = left.or(right).map_or(Duration::ZERO, |(at, _)| *at);
        let frame = |said: Option<&Said>| said.map(|(_, frame)| frame.clone());
        found.push(Entry { at, what: What::Differs(frame(left), frame(right)) });
        (i, j) = (i + usize::from(left.is_some()), j + usize::from(right.is_some()));
    }
}

fn is_ahead(list: &[Said], (_, frame): &Said) -> bool {
    list.iter().take(AHEAD).any(|(_, said)| said == frame)
}
