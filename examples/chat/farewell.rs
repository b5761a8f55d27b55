//! The end of thousands of connections: in batches, and under a deadline.

use std::{collections::HashMap, time::Duration};

use sansocket::{
    CloseFrame,
    tokio::{Ended, Sender},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, timeout_at},
};

/// How long a batch may keep the next one waiting.
const BREATH: Duration = Duration::from_millis(100);

/// How connections ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Farewell {
    /// With a closing handshake.
    pub(crate) clean: usize,
    /// On their own, without one: vanished, or given up by the connection.
    pub(crate) lost: usize,
    /// By us, at the deadline.
    pub(crate) aborted: usize,
}

/// Closes all, so many at a time, and returns when the last one has closed too; those who have not in time are aborted.
///
/// Batches keep thousands of clients from coming back to the next server in the same moment. A batch with somebody in it
/// who does not answer holds the next one up for a tenth of a second, and less where there is less time: whoever
/// answers is asked long before the deadline.
pub(crate) async fn farewell<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut senders: Vec<Sender<T>>,
    frame: &CloseFrame,
    patience: Duration,
    batch: usize,
) -> Farewell {
    let (deadline, batch) = (Instant::now() + patience, batch.max(1));
    let mut closing = Closing::default();
    while !senders.is_empty() {
        let before = closing.tasks.len();
        closing.start(senders.split_off(senders.len().saturating_sub(batch)), frame);
        let batches = u32::try_from(senders.len().div_ceil(batch)).unwrap_or(u32::MAX).saturating_add(2);
        let share = deadline.saturating_duration_since(Instant::now()) / batches;
        closing.settle(before, Instant::now() + share.min(BREATH)).await;
    }
    closing.settle(0, deadline).await;
    closing.abort().await
}

struct Closing<T> {
    tasks: JoinSet<(usize, Ended)>,
    /// Those who are closing.
    senders: HashMap<usize, Sender<T>>,
    begun: usize,
    farewell: Farewell,
}

impl<T> Default for Closing<T> {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), senders: HashMap::new(), begun: 0, farewell: Farewell::default() }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Closing<T> {
    fn start(&mut self, batch: Vec<Sender<T>>, frame: &CloseFrame) {
        for sender in batch {
            self.begun += 1;
            let (number, frame, own) = (self.begun, frame.clone(), sender.clone());
            self.senders.insert(number, sender);
            self.tasks.spawn(async move { (number, own.close(frame).await) });
        }
    }

    /// Waits until at most `left` are still closing, but not longer than `until`.
    async fn settle(&mut self, left: usize, until: Instant) {
        while self.tasks.len() > left {
            let Ok(Some(joined)) = timeout_at(until, self.tasks.join_next()).await else { return };
            let (number, ended) = joined.expect("to close does not panic");
            self.senders.remove(&number);
            let Farewell { clean, lost, .. } = &mut self.farewell;
            *(if ended.is_clean() { clean } else { lost }) += 1;
        }
    }

    async fn abort(mut self) -> Farewell {
        self.senders.values().for_each(Sender::abort);
        self.farewell.aborted = self.tasks.len();
        self.tasks.join_all().await;
        self.farewell
    }
}
