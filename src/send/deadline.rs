//! When silence means something: keepalive and the time that the closing handshake may take.

use core::time::Duration;

use crate::{
    config::{Config, Keepalive},
    error::TimedOut,
    timer::{Time, Timer, Timers},
};

/// What moves while a connection lives: bytes that were heard, bytes that have left, and bytes that wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) heard: u64,
    pub(super) sent: u64,
    pub(super) unsent: usize,
}

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Whatever the peer says next.
    Open,
    /// The end of the stream, both ways.
    Closing,
}

/// With less, each look at the clock would make a ping.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// How long silence is borne: a [`Keepalive`].
#[derive(Clone, Copy, Debug)]
struct Patience {
    interval: Time,
    timeout: Time,
}

impl From<Keepalive> for Patience {
    fn from(Keepalive { interval, timeout }: Keepalive) -> Self {
        Self { interval: interval.max(LEAST_INTERVAL).into(), timeout: timeout.into() }
    }
}

#[derive(Debug)]
pub(super) struct Deadlines {
    timers: Timers,
    patience: Option<Patience>,
    close_timeout: Time,
    /// How many bytes had been heard when that number last grew, and the tick that saw it.
    heard: u64,
    heard_at: Option<Time>,
    /// How many bytes had left when the output was last seen to move.
    sent: u64,
}

impl Deadlines {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            timers: Timers::default(),
            patience: config.keepalive.map(Patience::from),
            close_timeout: config.close_timeout.into(),
            heard: 0,
            heard_at: None,
            sent: 0,
        }
    }

    /// Arms what `waiting` asks for, and fires what is due: true if it is time for a ping.
    pub(super) fn tick(&mut self, now: Time, flow: Flow, waiting: Waiting) -> Result<bool, TimedOut> {
        match waiting {
            Waiting::Open => {
                let is_ping_due = self.tick_open(now, flow.heard)?;
                self.tick_output(now, flow).map(|()| is_ping_due)
            }
            Waiting::Closing => self.tick_closing(now).map(|()| false),
        }
    }

    /// Whether an open connection has none.
    #[cfg(feature = "tokio")]
    pub(super) const fn is_patient(&self) -> bool {
        self.patience.is_none()
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Bytes were heard at this time, if their number has grown.
    pub(super) fn hear(&mut self, at: Time, heard: u64) {
        if self.heard_at.is_none() || heard != self.heard {
            self.heard = heard;
            self.heard_at = Some(at);
            self.timers.stop(Timer::Pong);
        }
    }

    /// The peer's silence until now is no sign: nothing was read.
    pub(super) fn excuse_silence(&mut self, now: Time) {
        self.heard_at = Some(now);
        self.timers.stop(Timer::Pong);
    }

    /// A peer that takes nothing for as long as one that says nothing is as good as gone.
    fn tick_output(&mut self, now: Time, flow: Flow) -> Result<(), TimedOut> {
        let Some(patience) = self.patience else { return Ok(()) };
        if flow.unsent == 0 || flow.sent != self.sent {
            self.sent = flow.sent;
            self.timers.stop(Timer::Write);
        }
        if flow.unsent > 0 && !self.timers.is_armed(Timer::Write) {
            self.timers.set(Timer::Write, now.plus(patience.interval).plus(patience.timeout));
        }
        if self.timers.is_due(Timer::Write, now) { Err(TimedOut::Write) } else { Ok(()) }
    }

    fn tick_open(&mut self, now: Time, heard: u64) -> Result<bool, TimedOut> {
        let Some(patience) = self.patience else { return Ok(false) };
        self.hear(now, heard);
        if self.timers.is_armed(Timer::Pong) {
            return if self.timers.is_due(Timer::Pong, now) { Err(TimedOut::Pong) } else { Ok(false) };
        }
        let silent_at = self.heard_at.unwrap_or(now).plus(patience.interval);
        if silent_at <= now {
            self.timers.stop(Timer::Ping);
            self.timers.set(Timer::Pong, now.plus(patience.timeout));
            return Ok(true);
        }
        // The deadline stays where it is while bytes come in, and moves once it is reached: a driver's alarm is
        // not set anew for each message.
        if !self.timers.is_armed(Timer::Ping) || self.timers.is_due(Timer::Ping, now) {
            self.timers.set(Timer::Ping, silent_at);
        }
        Ok(false)
    }

    fn tick_closing(&mut self, now: Time) -> Result<(), TimedOut> {
        if !self.timers.is_armed(Timer::Close) {
            self.timers = Timers::default();
            self.timers.set(Timer::Close, now.plus(self.close_timeout));
        }
        if self.timers.is_due(Timer::Close, now) { Err(TimedOut::Close) } else { Ok(()) }
    }
}
