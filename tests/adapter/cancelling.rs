//! Every future may be dropped at every poll, on halves too, with any number of senders: the peer hears what was accepted,
//! whole, once and in order, and the receiver loses nothing.

use std::{future::Future, pin::Pin, task::Poll};

use sansocket::{
    Chunk, CloseFrame, Compress, Config, Event, Kind, Role,
    frame::OpCode,
    tokio::{Error, WebSocket},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Peer, Transport, open, poll_times};

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
                // Most rows receive nothing, and all have the type of those that do.
                #[allow(unused_variables, clippy::ptr_arg)]
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
    // Functions within a function know no `Self`.
    #[allow(clippy::use_self)]
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
    // Functions within a function know no `Self`.
    #[allow(clippy::use_self)]
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
