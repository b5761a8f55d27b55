//! Polling by hand.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A waker that counts.
#[derive(Debug, Default)]
pub struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How often it rang since it was last asked.
    pub fn rings(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Polls once.
pub fn poll_with<F: Future>(future: Pin<&mut F>, bell: &Arc<Bell>) -> Poll<F::Output> {
    let waker = Waker::from(bell.clone());
    future.poll(&mut Context::from_waker(&waker))
}

/// Polls once, and drops it.
pub fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    poll_times(future, 1)
}

/// Polls at most so many times, and drops it.
pub fn poll_times<F: Future>(future: F, times: usize) -> Poll<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

/// The output of a future that does not have to wait.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match poll_once(future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// That a future has to wait.
pub fn waits<F: Future>(future: F) -> bool {
    poll_once(future).is_pending()
}
