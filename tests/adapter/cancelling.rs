//! Every future may be dropped at every poll, on halves too, with any number of senders: the peer hears what was accepted,
//! whole, once and in order, and the receiver loses nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use sansocket::{
    Chunk, CloseFrame, Compress, Config, Connection, Event, Kind, Limits, Negotiated, Overflow, Posted, Role,
    SendError,
    frame::{Header, OpCode},
    tokio::{Error, WebSocket},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
    time::timeout,
};

use crate::support::{Peer, Transport, at_once, open, poll_times};

type Sender = sansocket::tokio::Sender<Transport>;

const ROLES: [Role; 2] = [Role::Server, Role::Client];
const ABANDONED: &str = "close 1011 message abandoned";

fn chunk(data: &str, fin: bool) -> Chunk {
    Chunk { kind: Kind::Text, data: data.to_owned().into(), fin }
}

/// Both ways to have a connection.
struct Whole(WebSocket<Transport>);
struct Halves(Sender, sansocket::tokio::Receiver<Transport>);

/// What an operation does, and what of the payloads it has received.
type Operation<H> = for<'a> fn(&'a mut H, &'a mut String) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Its name, what it is, and what the peer hears of it once it was polled.
type Row<H> = (&'static str, Operation<H>, &'static [&'static str]);

macro_rules! operations {
    ($hands:ty, $sender:tt, $receiver:tt) => {{
        macro_rules! row {
            ($name:literal, $it:ident, $got:ident, $body:expr, $heard:expr) => {{
                #[allow(unused_variables)]
                fn operation<'a>(
                    $it: &'a mut $hands,
                    $got: &'a mut String,
                ) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
                    Box::pin(async move {
                        let _ = $body;
                    })
                }
                ($name, operation as Operation<$hands>, $heard)
            }};
        }
        let rows: Vec<Row<$hands>> = vec![
            row!(
                "recv",
                it,
                got,
                *got += it.$receiver.recv().await.unwrap().unwrap().as_text().unwrap(),
                &[]
            ),
            row!(
                "recv_event",
                it,
                got,
                loop {
                    if let Some(Event::Data(message)) = it.$receiver.recv_event().await.unwrap() {
                        break *got += message.as_text().unwrap();
                    }
                },
                &[]
            ),
            row!(
                "recv_chunk",
                it,
                got,
                *got += str::from_utf8(&it.$receiver.recv_chunk().await.unwrap().unwrap().data).unwrap(),
                &[]
            ),
            row!(
                "recv_reader",
                it,
                got,
                {
                    let mut reader = it.$receiver.recv_reader().await.unwrap().unwrap();
                    let mut byte = [0];
                    while reader.read(&mut byte).await.unwrap() == 1 {
                        got.push(char::from(byte[0]));
                    }
                },
                &[]
            ),
            row!("send", it, got, it.$sender.send("a").await.unwrap(), &["text a"]),
            row!(
                "send_with",
                it,
                got,
                it.$sender.send_with("a", Compress::Never).await.unwrap(),
                &["text a"]
            ),
            row!("feed", it, got, it.$sender.feed("a").await.unwrap(), &["text a"]),
            row!(
                "send_chunk",
                it,
                got,
                it.$sender.send_chunk(chunk("a", false)).await.unwrap(),
                &["text+ a"]
            ),
            row!(
                "the last chunk",
                it,
                got,
                it.$sender.send_chunk(chunk("a", true)).await.unwrap(),
                &["text a"]
            ),
            row!(
                "feed_chunk",
                it,
                got,
                it.$sender.feed_chunk(chunk("a", false)).await.unwrap(),
                &["text+ a"]
            ),
            row!(
                "two chunks",
                it,
                got,
                {
                    it.$sender.feed_chunk(chunk("a", false)).await.unwrap();
                    it.$sender.send_chunk(chunk("b", true)).await.unwrap();
                },
                &["text+ a", "continuation b"]
            ),
            row!("flush", it, got, it.$sender.flush().await.unwrap(), &[]),
            row!("ping", it, got, it.$sender.ping("p").await.unwrap(), &["ping p"]),
            row!("pong", it, got, it.$sender.pong("p").await.unwrap(), &["pong p"]),
            row!(
                "writer",
                it,
                got,
                {
                    let mut writer = it.$sender.writer(Kind::Text).fragment(2);
                    writer.write_all(b"abc").await.unwrap();
                    writer.flush().await.unwrap();
                    writer.write_all(b"def").await.unwrap();
                    writer.shutdown().await.unwrap();
                    writer.finish().await.unwrap();
                },
                &["text+ ab", "continuation+ c", "continuation+ de", "continuation f"]
            ),
            row!(
                "a writer of one frame",
                it,
                got,
                it.$sender.writer(Kind::Text).finish().await.unwrap(),
                &["text "]
            ),
            row!("close", it, got, it.$sender.close(CloseFrame::NORMAL).await, &["close 1000"]),
        ];
        rows
    }};
}

/// What both ways have.
trait Hands {
    fn operations() -> Vec<Row<Self>>
    where
        Self: Sized;
    fn of(websocket: WebSocket<Transport>) -> Self;
    /// The next piece of a message, if it comes within so many polls.
    fn chunk(&mut self, polls: usize) -> Poll<Result<Option<Chunk>, Error>>;
    fn end(&mut self, fin: Chunk) -> Result<(), Error>;
}

impl Hands for Whole {
    fn operations() -> Vec<Row<Self>> {
        operations!(Whole, 0, 0)
    }

    fn of(websocket: WebSocket<Transport>) -> Self {
        Self(websocket)
    }

    fn chunk(&mut self, polls: usize) -> Poll<Result<Option<Chunk>, Error>> {
        poll_times(self.0.recv_chunk(), polls)
    }

    fn end(&mut self, fin: Chunk) -> Result<(), Error> {
        at_last(self.0.send_chunk(fin))
    }
}

impl Hands for Halves {
    fn operations() -> Vec<Row<Self>> {
        let mut rows = operations!(Halves, 0, 1);
        fn closed<'a>(it: &'a mut Halves, _: &'a mut String) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
            Box::pin(async move { drop(it.0.closed().await) })
        }
        fn room<'a>(it: &'a mut Halves, _: &'a mut String) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
            Box::pin(async move { it.0.room().await.unwrap() })
        }
        rows.extend([
            ("closed", closed as Operation<Self>, &[][..]),
            ("room", room as Operation<Self>, &[][..]),
        ]);
        rows
    }

    fn of(websocket: WebSocket<Transport>) -> Self {
        let (sender, receiver) = websocket.split();
        Self(sender, receiver)
    }

    fn chunk(&mut self, polls: usize) -> Poll<Result<Option<Chunk>, Error>> {
        poll_times(self.1.recv_chunk(), polls)
    }

    fn end(&mut self, fin: Chunk) -> Result<(), Error> {
        at_last(self.0.send_chunk(fin))
    }
}

/// The output of a future over a stream that stalls.
fn at_last<F: Future>(future: F) -> F::Output {
    match poll_times(future, 10_000) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Drops the operation after so many polls, and then does all that was left; says whether it had ended.
fn cancelled<H: Hands>(role: Role, (name, operation, said): &Row<H>, polls: usize) -> bool {
    let (websocket, peer) = open(role, &Config::new());
    let mut hands = H::of(websocket);
    peer.cut(1);
    peer.stall();
    peer.put(
        [
            peer.frame(OpCode::Text, b"one"),
            peer.frame(OpCode::Ping, b"1"),
            peer.fragment(false, OpCode::Text, b"fr"),
            peer.frame(OpCode::Ping, b"2"),
            peer.fragment(true, OpCode::Continuation, b"ag"),
            peer.frame(OpCode::Text, b"last"),
        ]
        .concat(),
    );
    let mut got = String::new();
    let is_ready = poll_times(operation(&mut hands, &mut got), polls).is_ready();
    let case = format!("{role:?}, {name}, {polls} polls");
    while !got.ends_with("last") {
        match hands.chunk(1 + polls % 5) {
            Poll::Pending if *name == "close" && peer.is_drained() => break,
            Poll::Pending => {}
            Poll::Ready(chunk) => got += str::from_utf8(&chunk.unwrap().unwrap().data).unwrap(),
        }
    }
    if *name == "close" {
        // `WebSocket::close` drops what still comes, from the message on that comes next.
        assert!(
            "onefraglast".starts_with(&got) || got.is_empty() || "onefraglast".ends_with(&got),
            "{case}: {got}"
        );
    } else {
        assert_eq!(got, "onefraglast", "{case}");
    }
    let end = hands.end(chunk("end", true));
    assert!(hands.chunk(300).is_pending(), "{case}");
    let mut heard = peer.heard();
    // The answers stand anywhere, in order.
    for (pong, count) in [("pong 1", 1), ("pong 2", 1)] {
        assert_eq!(heard.iter().filter(|word| *word == pong).count(), count, "{case}: {heard:?}");
    }
    heard.retain(|word| !["pong 1", "pong 2"].contains(&word.as_str()));
    let said = if polls == 0 { &[] } else { *said };
    if *name == "writer" && !is_ready && heard.last().unwrap() == ABANDONED {
        assert!(end.is_err());
        heard.pop();
        assert!(
            !heard.is_empty() && said[..3].starts_with(&heard.iter().map(|it| &**it).collect::<Vec<_>>()),
            "{case}: {heard:?}"
        );
    } else if *name == "close" && polls > 0 {
        assert_eq!(heard, said, "{case}");
    } else {
        end.unwrap();
        let is_open = said.last().is_some_and(|word| word.contains('+'));
        let end = if is_open { "continuation end" } else { "text end" };
        assert_eq!(heard, [said, &[end]].concat(), "{case}");
    }
    is_ready
}

fn each_at_each_poll<H: Hands>() {
    for role in ROLES {
        for row in H::operations() {
            let ends = (0..200).find(|polls| cancelled(role, &row, *polls));
            // Some wait for what the peer does not say, or for the receiver to take a message.
            assert_eq!(ends.is_none(), ["close", "closed"].contains(&row.0), "{} ends after {ends:?}", row.0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_call_on_a_connection_is_dropped_at_each_poll() {
    each_at_each_poll::<Whole>();
}

#[tokio::test(start_paused = true)]
async fn each_call_on_halves_is_dropped_at_each_poll() {
    each_at_each_poll::<Halves>();
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
        while let Ok(Some(message)) = receiver.recv().await {
            panic!("{message:?} behind the end");
        }
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

/// A sender that is dropped within a message, at whatever byte of it: the peer hears that it is not whole.
#[tokio::test(start_paused = true)]
async fn a_sender_is_dropped_at_each_poll_of_a_message_in_chunks() {
    for role in ROLES {
        for polls in 0..60 {
            let (websocket, peer): (_, Peer) = open(role, &Config::new());
            peer.cut(1);
            peer.stall();
            let (sender, mut receiver) = websocket.split();
            let other = sender.clone();
            let mut is_ready = false;
            {
                let mut one = sender;
                let message = async {
                    one.send_chunk(chunk("ab", false)).await.unwrap();
                    one.send_chunk(chunk("cd", true)).await.unwrap();
                };
                is_ready |= poll_times(message, polls).is_ready();
            }
            let sent = at_last(other.send("next"));
            assert!(poll_times(receiver.recv(), 100).is_pending());
            let heard = peer.heard();
            match &heard.iter().map(|word| &**word).collect::<Vec<_>>()[..] {
                ["text next"] => assert!(sent.is_ok() && polls == 0),
                ["text+ ab", "continuation cd", "text next"] => assert!(sent.is_ok()),
                ["text+ ab", last] => assert!(*last == ABANDONED && sent.is_err() && !is_ready),
                _ => panic!("{heard:?} after {polls} polls"),
            }
        }
    }
}
