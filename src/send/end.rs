//! How it ends: by our Close frame, with the stream, or because there is no use in going on. RFC 6455 §7.1.

use bytes::BytesMut;

use super::Sender;
use crate::{
    error::{SendError, TimedOut},
    frame::{CloseFrame, OpCode},
};

/// That nothing more can be said, and why, if it is not that the stream has ended.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Our Close frame, once it is queued.
    closed: Option<Option<CloseFrame>>,
    /// The stream can no longer be written to.
    abandoned: bool,
    timed_out: Option<TimedOut>,
}

impl Sender {
    /// Queues a Close frame, `None` for one without a code, behind all that is queued. Nothing can be sent after it.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if a Close frame was sent before, or the connection is over.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        self.write_close(frame.into());
        Ok(())
    }

    /// Tells the sender that the stream has ended: once all is written there is nothing left to wait for.
    pub fn receive_eof(&mut self) {
        // That there is one is all.
        self.end.get_or_insert_default();
        // What waits for the end of a message that does not come is not sent.
        if self.is_message_open() {
            self.queue.clear();
        }
    }

    /// Drops all that waits and refuses what comes: for a stream that can no longer be written to.
    pub fn abandon(&mut self) {
        self.queue.clear();
        self.encoder.clear();
        self.pongs.forget();
        self.round_trip.forget();
        self.end.get_or_insert_default().abandoned = true;
    }

    /// Our Close frame: `None` before it is queued, `Some(None)` if it has no code.
    pub fn sent_close(&self) -> Option<Option<&CloseFrame>> {
        self.end.as_ref()?.closed.as_ref().map(Option::as_ref)
    }

    /// The deadline that passed, if one did.
    pub const fn timed_out(&self) -> Option<TimedOut> {
        match &self.end {
            Some(end) => end.timed_out,
            None => None,
        }
    }

    /// Whether nothing more can be said.
    #[inline]
    pub(crate) const fn is_closed(&self) -> bool {
        self.end.is_some()
    }

    pub(crate) const fn is_abandoned(&self) -> bool {
        match &self.end {
            Some(end) => end.abandoned,
            None => false,
        }
    }

    /// Gives the connection up, and remembers why.
    pub(super) fn time_out(&mut self, timed_out: TimedOut) {
        self.abandon();
        self.end.get_or_insert_default().timed_out = Some(timed_out);
    }

    pub(super) fn write_close(&mut self, frame: Option<CloseFrame>) {
        self.encoder.take(&mut self.queue, usize::MAX);
        // What waits for the end of a message that does not come is not sent.
        self.queue.clear();
        let mut payload = BytesMut::new();
        if let Some(frame) = &frame {
            frame.write(&mut payload);
        }
        self.end.get_or_insert_default().closed = Some(frame);
        self.encoder.control(OpCode::Close, payload.freeze());
        self.encoder.finish();
    }
}
