//! How long a ping and its pong take. RFC 6455 §5.5.2.

use core::time::Duration;

/// The ping that is being timed, and what the last one took.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    asked: Option<Asked>,
    /// When a ping was asked whose pong has come since the last tick.
    answered: Option<Duration>,
    last: Option<Duration>,
}

#[derive(Debug)]
struct Asked {
    /// Of the payload, which is not kept.
    digest: u64,
    /// The first tick that knew of the ping.
    at: Option<Duration>,
}

impl RoundTrip {
    pub(super) const fn last(&self) -> Option<Duration> {
        self.last
    }

    /// Times this ping, unless one that looks the same is being timed: its pong could not be told apart.
    pub(super) fn ask(&mut self, ping: &[u8]) {
        let digest = digest(ping);
        if self.asked.as_ref().is_none_or(|asked| asked.digest != digest) {
            self.asked = Some(Asked { digest, at: None });
        }
    }

    pub(super) fn hear(&mut self, pong: &[u8]) {
        if let Some(asked) = self.asked.take_if(|asked| asked.digest == digest(pong)) {
            self.answered = asked.at;
        }
    }

    pub(super) fn tick(&mut self, now: Duration) {
        if let Some(at) = self.answered.take() {
            self.last = Some(now.saturating_sub(at));
        }
        if let Some(asked) = &mut self.asked {
            asked.at.get_or_insert(now);
        }
    }

    pub(super) fn forget(&mut self) {
        self.asked = None;
    }
}

/// FNV-1a: it tells apart what an application sends, and a peer that forges it deceives itself only.
fn digest(payload: &[u8]) -> u64 {
    payload.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
