//! How long a ping and its pong take. RFC 6455 §5.5.2.

use alloc::boxed::Box;

use crate::timer::Time;

/// What the last ping that was answered took, and the pings that are being timed.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    last: Option<Time>,
    timed: Option<Box<Timed>>,
}

/// Pings whose round trip is not known yet.
#[derive(Debug, Default)]
struct Timed {
    /// The first that has no answer.
    first: Option<Asked>,
    /// The latest, if it is another one: a peer that answers only the latest ping (§5.5.3) answers this one.
    latest: Option<Asked>,
    /// When a ping was asked whose pong has come since the last tick.
    answered: Option<Time>,
}

#[derive(Debug)]
struct Asked {
    /// Of the payload, which is not kept.
    digest: u64,
    /// The first tick that knew of the ping.
    at: Option<Time>,
}

impl RoundTrip {
    pub(super) const fn last(&self) -> Option<Time> {
        self.last
    }

    /// Times this ping.
    pub(super) fn ask(&mut self, ping: &[u8]) {
        self.timed.get_or_insert_default().ask(digest(ping));
    }

    pub(super) fn hear(&mut self, pong: &[u8]) {
        if let Some(timed) = &mut self.timed {
            timed.hear(digest(pong));
        }
    }

    #[inline]
    pub(super) fn tick(&mut self, now: Time) {
        let Some(timed) = &mut self.timed else { return };
        if let Some(at) = timed.answered.take() {
            self.last = Some(now.since(at));
        }
        timed.asked().for_each(|asked| _ = asked.at.get_or_insert(now));
        self.timed.take_if(|timed| timed.first.is_none());
    }

    /// Those that have no answer get none.
    pub(super) fn forget(&mut self) {
        if let Some(timed) = &mut self.timed {
            (timed.first, timed.latest) = (None, None);
        }
    }
}

impl Timed {
    /// Times this ping, unless one that looks the same is being timed: their pongs could not be told apart.
    fn ask(&mut self, digest: u64) {
        if self.asked().any(|asked| asked.digest == digest) {
            return;
        }
        let place = if self.first.is_none() { &mut self.first } else { &mut self.latest };
        *place = Some(Asked { digest, at: None });
    }

    fn hear(&mut self, digest: u64) {
        if let Some(latest) = self.latest.take_if(|asked| asked.digest == digest) {
            (self.first, self.answered) = (None, latest.at);
        } else if let Some(first) = self.first.take_if(|asked| asked.digest == digest) {
            (self.first, self.answered) = (self.latest.take(), first.at);
        }
    }

    fn asked(&mut self) -> impl Iterator<Item = &mut Asked> {
        self.first.iter_mut().chain(&mut self.latest)
    }
}

/// FNV-1a: it tells apart what an application sends, and a peer that forges it deceives itself only.
fn digest(payload: &[u8]) -> u64 {
    payload.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
