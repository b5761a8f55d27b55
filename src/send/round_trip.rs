//! How long a ping and its pong take. RFC 6455 §5.5.2.

use core::time::Duration;

/// The pings that are being timed, and what the last one took.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    /// The first that has no answer.
    first: Option<Asked>,
    /// The latest, if it is another one: a peer that answers only the latest ping (§5.5.3) answers this one.
    latest: Option<Asked>,
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

    /// Times this ping, unless one that looks the same is being timed: their pongs could not be told apart.
    pub(super) fn ask(&mut self, ping: &[u8]) {
        let digest = digest(ping);
        if self.timed().any(|asked| asked.digest == digest) {
            return;
        }
        let place = if self.first.is_none() { &mut self.first } else { &mut self.latest };
        *place = Some(Asked { digest, at: None });
    }

    pub(super) fn hear(&mut self, pong: &[u8]) {
        let digest = digest(pong);
        if let Some(latest) = self.latest.take_if(|asked| asked.digest == digest) {
            (self.first, self.answered) = (None, latest.at);
        } else if let Some(first) = self.first.take_if(|asked| asked.digest == digest) {
            (self.first, self.answered) = (self.latest.take(), first.at);
        }
    }

    pub(super) fn tick(&mut self, now: Duration) {
        if let Some(at) = self.answered.take() {
            self.last = Some(now.saturating_sub(at));
        }
        self.timed().for_each(|asked| _ = asked.at.get_or_insert(now));
    }

    pub(super) fn forget(&mut self) {
        (self.first, self.latest) = (None, None);
    }

    fn timed(&mut self) -> impl Iterator<Item = &mut Asked> {
        self.first.iter_mut().chain(&mut self.latest)
    }
}

/// FNV-1a: it tells apart what an application sends, and a peer that forges it deceives itself only.
fn digest(payload: &[u8]) -> u64 {
    payload.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
