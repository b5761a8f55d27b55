//! Halves: no wake-up is lost, nobody is woken for nothing, and never while something is locked.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use sansocket::{Role, frame::OpCode, tokio::Sender};
use tokio::time::advance;

use crate::support::{
    Bell, Transport, at_once, client, halves, narrow, park, poll_once, poll_times, poll_with, waits, woken,
};

#[tokio::test(start_paused = true)]
async fn messages_that_came_together_wake_no_sender() {
    let (sender, mut receiver, peer) = halves(Role::Server);
    peer.stop_reading();
    let bells = [(); 8].map(|()| Bell::new());
    let senders = [(); 8].map(|()| sender.clone());
    let mut sends: Vec<_> = senders.iter().map(|sender| Box::pin(sender.send("stuck"))).collect();
    for (send, bell) in sends.iter_mut().zip(&bells) {
        park(send.as_mut(), bell);
    }
    peer.put(peer.frame(OpCode::Text, b"hello").repeat(100));
    bells.iter().for_each(|bell| _ = bell.rings());
    for _ in 0..100 {
        assert_eq!(at_once(receiver.recv()).unwrap(), Some("hello".into()));
    }
    assert!(waits(receiver.recv()));
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [0; 8]);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_woken_by_what_it_waits_for_and_by_nothing_else() {
    let (one, mut receiver, peer) = narrow();
    let (two, three) = (one.clone(), one.clone());
    let bells = [(); 3].map(|()| Bell::new());
    let rings = || bells.each_ref().map(|bell| bell.rings());
    let mut recv = pin!(receiver.recv());
    let mut closed = pin!(three.closed());
    park(recv.as_mut(), &bells[0]);
    park(closed.as_mut(), &bells[1]);
    for _ in 0..10 {
        at_once(one.send("a")).unwrap();
        at_once(two.ping("a")).unwrap();
        at_once(two.flush()).unwrap();
        at_once(two.room()).unwrap();
        drop(one.clone());
        assert!(matches!(one.try_send("b"), Ok(())));
        assert_eq!(rings(), [1, 1, 0], "one of them has to write it");
        park(recv.as_mut(), &bells[0]);
        assert_eq!(rings(), [0; 3]);
        park(closed.as_mut(), &bells[1]);
    }
    // Room is for those who wait for it, and there is some once what was there has left.
    peer.stop_reading();
    at_once(one.feed("c")).unwrap();
    let mut feed = pin!(two.feed("d"));
    park(feed.as_mut(), &bells[2]);
    park(recv.as_mut(), &bells[0]);
    park(closed.as_mut(), &bells[1]);
    assert_eq!(rings(), [0; 3]);
    peer.open(3);
    assert_eq!(rings(), [1; 3], "the stream has called");
    park(recv.as_mut(), &bells[0]);
    assert_eq!(rings(), [0; 3], "there is room, and who waits for it was called");
    assert!(poll_with(feed.as_mut(), &bells[2]).is_ready());
    assert_eq!(rings(), [1, 0, 0]);
    park(recv.as_mut(), &bells[0]);
    assert_eq!(rings(), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_the_peer_wakes_nobody() {
    let (one, mut receiver, peer) = narrow();
    let bells = [(); 3].map(|()| Bell::new());
    let two = one.clone();
    peer.stop_reading();
    let mut recv = pin!(receiver.recv());
    park(recv.as_mut(), &bells[0]);
    let mut send = pin!(one.send("stuck"));
    let mut feed = pin!(two.feed("waits"));
    for _ in 0..3 {
        park(send.as_mut(), &bells[1]);
        park(feed.as_mut(), &bells[2]);
    }
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [0; 3]);
}

/// Where nothing else changes any more, the stream cannot have told them.
#[tokio::test(start_paused = true)]
async fn an_abort_within_the_closing_handshake_wakes_everybody() {
    let (websocket, peer) = client();
    let (sender, mut receiver) = websocket.split();
    let bells = [(); 2].map(|()| Bell::new());
    let mut recv = pin!(receiver.recv());
    let mut closed = pin!(sender.closed());
    peer.close(1000);
    park(recv.as_mut(), &bells[0]);
    park(closed.as_mut(), &bells[1]);
    sender.abort();
    assert_eq!(woken(recv.as_mut(), &bells[0]).unwrap(), None);
    assert!(woken(closed.as_mut(), &bells[1]).is_clean());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_left_with_the_waker_of_a_task_that_has_gone() {
    let (one, mut receiver, peer) = narrow();
    let two = one.clone();
    let bells = [(); 3].map(|()| Bell::new());
    // The stream knows the last one that has polled it.
    let mut closed = pin!(one.closed());
    park(closed.as_mut(), &bells[0]);
    for polls in 1..4 {
        let mut recv = Box::pin(receiver.recv());
        for _ in 0..polls {
            park(recv.as_mut(), &bells[1]);
        }
        drop(recv);
        bells[0].rings();
        peer.ping("p");
        assert!(bells[0].rings() > 0);
        assert_eq!(bells[1].rings(), 0, "nor is it called any more");
        park(closed.as_mut(), &bells[0]);
    }
    peer.stop_reading();
    at_once(two.feed("a")).unwrap();
    let mut send = Box::pin(two.send("b"));
    park(closed.as_mut(), &bells[0]);
    park(send.as_mut(), &bells[2]);
    drop(send);
    bells[0].rings();
    peer.open(usize::MAX);
    assert!(bells[0].rings() > 0);
    park(closed.as_mut(), &bells[0]);
    assert_eq!(peer.heard().last().unwrap(), "text a");
    assert_eq!(bells[2].rings(), 0);
}

#[tokio::test(start_paused = true)]
async fn deadlines_wake_whoever_is_left() {
    let (one, mut receiver, peer) = halves(Role::Server);
    let bells = [Bell::new(), Bell::new()];
    let mut closed = pin!(one.closed());
    park(closed.as_mut(), &bells[0]);
    let mut recv = Box::pin(receiver.recv());
    park(recv.as_mut(), &bells[1]);
    drop(recv);
    advance(Duration::from_millis(30_010)).await;
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [1, 0]);
    park(closed.as_mut(), &bells[0]);
    assert_eq!(peer.heard(), ["ping "]);
}

/// A waker that does at once what its task would do when it is polled.
struct AtOnce<F>(Mutex<F>);

impl<F: FnMut() + Send + 'static> Wake for AtOnce<F> {
    fn wake(self: Arc<Self>) {
        // A task that is at it is not polled again.
        if let Ok(mut task) = self.0.try_lock() {
            task();
        }
    }
}

fn at_once_by(task: impl FnMut() + Send + 'static) -> Waker {
    Waker::from(Arc::new(AtOnce(Mutex::new(task))))
}

/// That it ends, on a thread of its own.
fn ends(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { test() });
        done.send(())
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("it waits for itself");
}

/// Wakers that poll or drop the other half where they stand, called by each way that there is to wake a task.
#[test]
fn nothing_is_locked_when_a_task_is_woken() {
    ends(|| {
        for stalls in [false, true] {
            for drops in [false, true] {
                let (sender, mut receiver, peer) = narrow();
                if stalls {
                    peer.stall();
                }
                let one = sender.clone();
                let mut other = Some(sender.clone());
                let waker = at_once_by(move || {
                    if let Some(sender) = &other {
                        let _ = poll_once(sender.send("woken"));
                        let _ = poll_once(sender.closed());
                        sender.try_send("also").ok();
                    }
                    other.take_if(|_| drops);
                });
                let mut context = Context::from_waker(&waker);
                let context = &mut context;
                let mut closed = pin!(sender.closed());
                for _ in 0..3 {
                    let mut recv = pin!(receiver.recv());
                    assert!(closed.as_mut().poll(context).is_pending());
                    assert!(recv.as_mut().poll(context).is_pending());
                    drop(poll_times(one.send("a"), 5));
                    one.try_send("b").ok();
                    peer.ping("1");
                    drop(poll_times(one.flush(), 5));
                    drop(one.clone());
                }
                // A flood makes a task call itself.
                peer.put(peer.frame(OpCode::Ping, b"1").repeat(1000));
                peer.cut(1);
                for _ in 0..10 {
                    let mut recv = pin!(receiver.recv());
                    assert!(recv.as_mut().poll(context).is_pending());
                }
                drop(receiver);
                one.abort();
            }
        }
    });
}

/// A waker that is the last to know of a sender, as executors have it whose wakers own their tasks.
#[test]
fn a_waker_that_is_dropped_may_drop_a_sender_of_its_connection() {
    // Nobody reads what it owns: it is there to be dropped.
    struct Owner(#[expect(dead_code)] Mutex<Option<Sender<Transport>>>);
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    ends(|| {
        let (sender, mut receiver, _peer) = halves(Role::Server);
        for is_left in [false, true] {
            let mut receiving = Box::pin(receiver.recv());
            let owner = Waker::from(Arc::new(Owner(Mutex::new(Some(sender.clone())))));
            assert!(receiving.as_mut().poll(&mut Context::from_waker(&owner)).is_pending());
            drop(owner);
            if !is_left {
                // Its place is taken over.
                assert!(receiving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            drop(receiving);
        }
    });
}
