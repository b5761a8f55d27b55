//! Times, as they are written: seconds, to the nanosecond.

use core::{fmt, time::Duration};

/// A time in seconds, to the nanosecond.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// A number of seconds with up to nine decimals.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 9 {
        return None;
    }
    let nanos = decimals.parse::<u32>().ok()? * 10_u32.pow(9 - decimals.len() as u32);
    Some(Duration::new(whole.parse().ok()?, nanos))
}
