//! Senders that talk at once, on one thread and on several, with calls that are dropped after some polls: the peer hears what was
//! accepted, whole, once and in order for each.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use sansocket::{
    Chunk, CloseFrame, Compress, Config, Connection, Kind, Limits, Negotiated, Overflow, Posted, Role,
    SendError,
    frame::{Header, OpCode},
    tokio::{Error, WebSocket},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
    time::timeout,
};

use crate::support::{Transport, at_once, open, poll_times};

type Sender = sansocket::tokio::Sender<Transport>;

const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn chunk(data: &str, fin: bool) -> Chunk {
    Chunk { kind: Kind::Text, data: data.to_owned().into(), fin }
}

/// The output of a future if it comes within so many polls; then it is dropped.
async fn within<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    let output = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left <= 1 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await;
    if output.is_none() {
        // Others may be what it waited for.
        yield_now().await;
    }
    output
}

/// Numbers that look random.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % sides
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The call has said that it is queued.
    Accepted,
    /// The call was dropped: it is queued if there was room.
    Dropped,
    /// The call has said that it is not queued.
    Refused,
}

/// The message of this sender with this number; its length follows from that.
fn text(id: usize, number: usize) -> String {
    format!("{id}.{number}.{}", "x".repeat(number * 7 % 23))
}

/// What each sender said that was heard, in order.
fn check(heard: &[String], fates: &BTreeMap<(usize, usize), Fate>) {
    let mut last = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for message in heard {
        let mut parts = message.split('.');
        let mut part = || parts.next().unwrap().parse::<usize>().unwrap();
        let (id, number) = (part(), part());
        assert_eq!(*message, text(id, number), "it is whole");
        assert!(last.insert(id, number).is_none_or(|last| last < number), "in order and once: {message}");
        assert_ne!(fates[&(id, number)], Fate::Refused, "{message}");
        counted.insert((id, number));
    }
    for (id, fate) in fates {
        assert!(*fate != Fate::Accepted || counted.contains(id), "{id:?} is missing");
    }
}

/// The texts in these bytes, put together; control frames may stand between fragments, nothing else.
fn texts(mut wire: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut open: Option<String> = None;
    while !wire.is_empty() {
        let (header, begin) = Header::parse(wire).unwrap().expect("a whole header");
        let (data, rest) = wire[begin..].split_at(header.payload_len as usize);
        wire = rest;
        if header.opcode.is_control() {
            continue;
        }
        let mut data = data.to_vec();
        header.masking_key.unwrap_or_default().apply(&mut data);
        assert_eq!(open.is_some(), header.opcode == OpCode::Continuation, "messages do not interleave");
        *open.get_or_insert_default() += str::from_utf8(&data).unwrap();
        texts.extend(open.take_if(|_| header.fin));
    }
    assert!(open.is_none());
    texts
}

type Fates = Arc<Mutex<BTreeMap<(usize, usize), Fate>>>;

/// Says a message in one of all ways, with calls that are dropped after some polls.
async fn say<T: AsyncRead + AsyncWrite + Unpin>(
    sender: &mut sansocket::tokio::Sender<T>,
    dice: &mut Dice,
    text: String,
) -> Fate {
    let polls = 1 + dice.roll(12);
    let of = |sent: Option<Result<(), Error>>| match sent {
        Some(sent) => {
            sent.unwrap();
            Fate::Accepted
        }
        None => Fate::Dropped,
    };
    match dice.roll(10) {
        0 | 1 => of(within(polls, sender.send(text)).await),
        2 => of(within(polls, sender.feed(text)).await),
        3 => of(within(polls, sender.send_with(text, Compress::Never)).await),
        4 => match sender.try_send(text) {
            Ok(()) => Fate::Accepted,
            Err(not) => {
                assert!(matches!(not.error, SendError::Full | SendError::MessageOpen));
                Fate::Refused
            }
        },
        5 => loop {
            // What room says holds as long as no other sender is faster.
            if within(polls, sender.room()).await.map(Result::unwrap).is_some() {
                break if sender.try_send(text).is_ok() { Fate::Accepted } else { Fate::Refused };
            }
        },
        6 => match sender.post(text, Overflow::DropNewest).unwrap() {
            Posted::Queued => Fate::Accepted,
            other => {
                assert_eq!(other, Posted::Dropped);
                Fate::Refused
            }
        },
        7 => {
            let (begin, end) = text.split_at(text.len() / 2);
            sender.feed_chunk(chunk(begin, false)).await.unwrap();
            let _ = within(polls, sender.flush()).await;
            sender.send_chunk(chunk(end, true)).await.unwrap();
            Fate::Accepted
        }
        8 => {
            let mut writer = sender.writer(Kind::Text).fragment(1 + dice.roll(8));
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                if let Some(taken) = within(polls, writer.write(rest)).await {
                    rest = &rest[taken.unwrap()..];
                }
                if dice.roll(3) == 0 {
                    let _ = within(polls, writer.flush()).await;
                }
            }
            while within(polls, writer.shutdown()).await.map(Result::unwrap).is_none() {}
            Fate::Accepted
        }
        _ => {
            let _ = within(polls, sender.ping("p")).await;
            let _ = within(polls, sender.flush()).await;
            let _ = within(1, sender.closed()).await;
            Fate::Refused
        }
    }
}

async fn talk(mut sender: Sender, id: usize, mut dice: Dice, count: usize, fates: Fates) {
    for number in 0..count {
        let fate = say(&mut sender, &mut dice, text(id, number)).await;
        fates.lock().unwrap().insert((id, number), fate);
        yield_now().await;
    }
}

/// Senders that are tasks, a receiver that is one, over a stream that gives and takes a byte at a time.
async fn conversation(role: Role, senders: usize, unsent: usize, count: usize, seed: u64) {
    let mut limits = Limits::default();
    limits.unsent = unsent;
    let (websocket, peer) = open(role, &Config::new().limits(limits).keepalive(None));
    peer.cut(1);
    peer.stall();
    for i in 0..count {
        peer.text(&format!("{i}"));
        peer.ping("p");
    }
    let (sender, mut receiver) = websocket.split();
    let fates = Fates::default();
    let mut tasks = JoinSet::new();
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for id in 0..senders {
        dice.roll(2);
        tasks.spawn(talk(sender.clone(), id, dice.clone(), count, fates.clone()));
        dice.0 = dice.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
    tasks.spawn(async move {
        for i in 0..count {
            let message = loop {
                if let Some(message) = within(1 + dice.roll(12), receiver.recv()).await {
                    break message.unwrap();
                }
            };
            assert_eq!(message, Some(format!("{i}").into()));
        }
    });
    // Without a deadline that could help, a task that is not woken is left alone for ever.
    let all = timeout(Duration::from_secs(60), tasks.join_all()).await;
    assert!(all.is_ok(), "somebody was not woken: {role:?}, {senders} senders, {unsent}, {seed}");
    timeout(Duration::from_secs(60), sender.flush()).await.expect("somebody was not woken").unwrap();
    check(&texts(&peer.written()), &fates.lock().unwrap());
}

#[tokio::test(start_paused = true)]
async fn one_sender_whose_calls_are_dropped_is_heard_in_order() {
    for role in ROLES {
        for unsent in [1, 30, 1 << 20] {
            for seed in 1..10 {
                conversation(role, 1, unsent, 30, seed).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn eight_senders_whose_calls_are_dropped_are_heard_in_order_each() {
    for role in ROLES {
        for unsent in [1, 30, 1 << 20] {
            for seed in 1..10 {
                conversation(role, 8, unsent, 20, seed).await;
            }
        }
    }
}

/// With nobody else to take the room, what was accepted is known exactly.
#[tokio::test(start_paused = true)]
async fn what_finds_room_at_a_poll_is_accepted_by_it() {
    let mut limits = Limits::default();
    limits.unsent = 20;
    for role in ROLES {
        let (websocket, peer) = open(role, &Config::new().limits(limits));
        let (sender, _receiver) = websocket.split();
        let mut dice = Dice(7);
        peer.stop_reading();
        let mut accepted = Vec::new();
        for number in 0..300 {
            let _ = poll_times(sender.flush(), 1);
            let has_room = sender.inspect(Connection::has_room);
            assert_eq!(poll_times(sender.room(), 1).is_ready(), has_room);
            let message = text(0, number);
            let polls = 1 + dice.roll(3);
            match dice.roll(5) {
                0 => drop(poll_times(sender.send(message.clone()), polls)),
                1 => drop(poll_times(sender.feed(message.clone()), polls)),
                2 => drop(poll_times(sender.send_with(message.clone(), Compress::Never), polls)),
                3 => assert_eq!(sender.try_send(message.clone()).is_ok(), has_room),
                _ => {
                    let posted = sender.post(message.clone(), Overflow::DropNewest).unwrap();
                    assert_eq!(posted == Posted::Queued, has_room);
                }
            }
            accepted.extend(has_room.then_some(message));
            if dice.roll(3) == 0 {
                peer.open(1 + dice.roll(40));
            }
        }
        peer.open(usize::MAX);
        at_once(sender.flush()).unwrap();
        assert!(accepted.len() > 50 && accepted.len() < 290, "{}", accepted.len());
        assert_eq!(texts(&peer.written()), accepted);
    }
}

/// One of two ends: eight senders whose calls are dropped after some microseconds, and a receiver that hears the others.
async fn end<T>(websocket: WebSocket<T>, seed: u64, count: usize) -> (Vec<String>, Fates)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, mut receiver) = websocket.split();
    let fates = Fates::default();
    let mut tasks = JoinSet::new();
    for id in 0..8 {
        let (mut sender, fates) = (sender.clone(), fates.clone());
        let mut dice = Dice((seed + id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        tasks.spawn(async move {
            for number in 0..count {
                let message = text(id, number);
                let patience = Duration::from_micros(dice.roll(300) as u64);
                let fate = match dice.roll(3) {
                    0 => tokio::select! {
                        sent = sender.send(message) => { sent.unwrap(); Fate::Accepted }
                        () = tokio::time::sleep(patience) => Fate::Dropped,
                    },
                    1 => match timeout(patience, sender.feed(message)).await {
                        Ok(sent) => {
                            sent.unwrap();
                            Fate::Accepted
                        }
                        Err(_) => Fate::Dropped,
                    },
                    _ => say(&mut sender, &mut dice, message).await,
                };
                fates.lock().unwrap().insert((id, number), fate);
            }
            sender.send("done").await.unwrap();
        });
    }
    let hearing = async {
        let (mut heard, mut done, mut dice) = (Vec::new(), 0, Dice(seed + 99));
        while done < 8 {
            let patience = Duration::from_micros(dice.roll(100) as u64);
            let Ok(message) = timeout(patience, receiver.recv()).await else { continue };
            match message.unwrap().unwrap().as_text().unwrap() {
                "done" => done += 1,
                text => heard.push(text.to_owned()),
            }
        }
        heard
    };
    let (heard, _) =
        tokio::join!(hearing, async { while tasks.join_next().await.map(Result::unwrap).is_some() {} });
    // The other end may not have heard all.
    let (_, _) = tokio::join!(sender.close(CloseFrame::NORMAL), async {
        assert!(matches!(receiver.recv().await, Ok(None)), "nothing is behind the end");
    });
    (heard, fates)
}

async fn stress<T>(client: T, server: T, count: usize)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut limits = Limits::default();
    limits.unsent = 200;
    let config = Config::new().limits(limits).keepalive(None);
    let server = Connection::server(&config, Negotiated::default()).over(server);
    let client = Connection::client(&config, Negotiated::default(), || [1, 2, 3, 4]).over(client);
    let ends =
        async { tokio::join!(tokio::spawn(end(client, 1, count)), tokio::spawn(end(server, 1000, count))) };
    let (one, two) = timeout(Duration::from_secs(60), ends).await.expect("somebody was not woken");
    let ((heard_by_one, said_by_one), (heard_by_two, said_by_two)) = (one.unwrap(), two.unwrap());
    check(&heard_by_one, &said_by_two.lock().unwrap());
    check(&heard_by_two, &said_by_one.lock().unwrap());
}

trait Over {
    fn over<T: AsyncRead + AsyncWrite + Unpin>(self, io: T) -> WebSocket<T>;
}

impl Over for Connection {
    fn over<T: AsyncRead + AsyncWrite + Unpin>(self, io: T) -> WebSocket<T> {
        WebSocket::from_parts(io, self, Default::default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_senders_at_each_end_of_a_pipe_on_several_threads() {
    for size in [1, 50, 5000] {
        let (client, server) = tokio::io::duplex(size);
        stress(client, server, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_senders_at_each_end_of_a_socket_on_several_threads() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    stress(client.unwrap(), server.unwrap().0, 500).await;
}
