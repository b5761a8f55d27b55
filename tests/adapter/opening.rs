//! The opening handshake of a server, over a stream.

use std::time::Duration;

use sansocket::{
    Config, TimedOut,
    frame::OpCode,
    handshake::{Answer, Fault, Rejection, Subprotocols},
    tokio::{Error, accept, accept_with, receive_offer},
};
use tokio::time::{Instant, sleep};

use crate::support::{Op, Peer, Wire, at_once, poll_times, request, transport, waits};

const REPLY: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What goes behind the head in the same breath.
fn early(wire: &Wire) -> Vec<u8> {
    let peer = Peer::new(wire.clone(), sansocket::Role::Client);
    [peer.frame(OpCode::Text, b"one"), peer.frame(OpCode::Text, b"two"), peer.close_frame(1000)].concat()
}

#[tokio::test(start_paused = true)]
async fn a_request_may_be_cut_anywhere_and_what_is_behind_it_is_received() {
    let length = request("").len() + early(&transport().1).len();
    for cut in 0..=length {
        let (io, wire) = transport();
        let mut bytes = request("").into_bytes();
        bytes.extend(early(&wire));
        let rest = bytes.split_off(cut);
        wire.put(bytes);
        wire.put(rest);
        let mut websocket = at_once(accept(io)).unwrap();
        assert_eq!(wire.written(), REPLY.as_bytes());
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("one".into()));
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("two".into()));
        assert_eq!(at_once(websocket.recv()).unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_stall_at_every_byte() {
    let (io, wire) = transport();
    wire.cut(1);
    wire.stall();
    wire.put([request("").into_bytes(), early(&wire)].concat());
    let mut websocket = accept(io).await.unwrap();
    assert_eq!(wire.written(), REPLY.as_bytes());
    assert_eq!(websocket.recv().await.unwrap(), Some("one".into()));
    assert_eq!(websocket.recv().await.unwrap(), Some("two".into()));
    assert_eq!(websocket.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_reply_is_one_write_and_a_flush() {
    let (io, wire) = transport();
    wire.put(request(""));
    at_once(accept(io)).unwrap();
    assert_eq!(wire.log().iter().filter(|op| !matches!(op, Op::Read(_))).count(), 2);
    assert_eq!(wire.log().last(), Some(&Op::Flush));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_connection_is_read_before_it_is_accepted() {
    let (io, wire) = transport();
    wire.put(request(""));
    wire.put(early(&wire));
    let incoming = at_once(receive_offer(io, &Config::new())).unwrap();
    assert!(!wire.is_drained());
    assert_eq!(incoming.offer().path(), "/chat");
    assert!(wire.written().is_empty());
    sleep(Duration::from_secs(5)).await;
    let mut websocket = at_once(incoming.accept(&Answer::default())).unwrap();
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("one".into()));
}

#[tokio::test(start_paused = true)]
async fn what_the_request_offers_can_be_answered() {
    let (io, wire) = transport();
    wire.put(request("Sec-WebSocket-Protocol: v1, v2\r\n"));
    let answer = |_: &_| Ok(Answer::new().subprotocols(Subprotocols::by_server(["v2"]).unwrap()));
    let websocket = at_once(accept_with(io, &Config::new(), answer)).unwrap();
    assert_eq!(websocket.subprotocol(), Some("v2"));
    assert!(String::from_utf8(wire.written()).unwrap().contains("\r\nSec-WebSocket-Protocol: v2\r\n"));
}

/// What is wrong with a request, and how it is answered.
fn bad_requests() -> Vec<(String, u16, Fault)> {
    let without = |header: &str| {
        let lines = request("").split_inclusive("\r\n").map(String::from).collect::<Vec<_>>();
        lines.into_iter().filter(|line| !line.starts_with(header)).collect::<String>()
    };
    vec![
        (without("Host"), 400, Fault::HostMissing),
        (without("Upgrade"), 426, Fault::UpgradeMissing),
        (without("Connection"), 400, Fault::ConnectionMissing),
        (without("Sec-WebSocket-Key"), 400, Fault::KeyMissing),
        (without("Sec-WebSocket-Version"), 400, Fault::VersionMissing),
        (request("").replace("GET", "POST"), 405, Fault::MethodNotGet),
        (request("").replace("HTTP/1.1", "HTTP/1.0"), 505, Fault::HttpVersionUnsupported),
        (request("").replace(": 13", ": 8"), 426, Fault::VersionUnsupported),
        (request("").replace("\r\n", "\n"), 400, Fault::LineEndMalformed),
        (request("Origin: http://elsewhere.example\r\n"), 403, Fault::OriginNotAllowed),
        (request("Content-Length: 5\r\n"), 400, Fault::BodyAnnounced),
        (request("no colon\r\n"), 400, Fault::FieldLineMalformed),
        (request(&format!("X: {}\r\n", "x".repeat(20_000))), 431, Fault::HeadTooLarge),
        (request(&"X: x\r\n".repeat(101)), 431, Fault::TooManyFields),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505, Fault::HttpVersionUnsupported),
        ("\x16\x03\x01\x02\0\x01\0\x01\n".into(), 400, Fault::LineEndMalformed),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_bad_request_gets_one_whole_reply() {
    for (request, status, fault) in bad_requests() {
        for stalls in [false, true] {
            let (io, wire) = transport();
            if stalls {
                wire.cut(1);
                wire.stall();
            }
            wire.put(request.clone());
            wire.eof();
            let Err(Error::Rejected(rejection)) = accept(io).await else { panic!("{request}") };
            assert_eq!(rejection.status(), status, "{request}");
            assert!(rejection.faults().contains(&fault), "{request}: {rejection}");
            assert_eq!(wire.written(), rejection.response());
            let told = wire.log().into_iter().filter(|op| !matches!(op, Op::Read(1..) | Op::Write(..)));
            assert_eq!(told.collect::<Vec<_>>(), [Op::Flush, Op::Shutdown, Op::Read(0)], "{request}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_refuses_in_its_own_words() {
    let (io, wire) = transport();
    wire.put(request(""));
    wire.eof();
    let mut seen = None;
    let refusal = at_once(accept_with(io, &Config::new(), |offer| {
        seen = Some(offer.path().to_owned());
        Err(Rejection::new(401).header("WWW-Authenticate", "Bearer").unwrap().body("who are you?"))
    }));
    let Err(Error::Rejected(rejection)) = refusal else { panic!("{refusal:?}") };
    assert_eq!((rejection.status(), seen.as_deref()), (401, Some("/chat")));
    assert_eq!(
        String::from_utf8(wire.written()).unwrap(),
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Bearer\r\n\
         Content-Length: 12\r\n\r\nwho are you?"
    );
}

#[tokio::test(start_paused = true)]
async fn an_application_refuses_later() {
    let (io, wire) = transport();
    wire.put(request(""));
    let incoming = at_once(receive_offer(io, &Config::new())).unwrap();
    sleep(Duration::from_secs(1)).await;
    wire.eof();
    let error = at_once(incoming.reject(Rejection::new(503)));
    assert!(matches!(error, Error::Rejected(rejection) if rejection.status() == 503));
    assert!(wire.written().starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
    assert_eq!(wire.shutdowns(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_offer_does_not_meet_refuses() {
    let (io, wire) = transport();
    wire.put(request(""));
    wire.eof();
    let incoming = at_once(receive_offer(io, &Config::new())).unwrap();
    let answer = Answer::new().subprotocols(Subprotocols::by_server(["v2"]).unwrap().required());
    let Err(Error::Rejected(rejection)) = at_once(incoming.accept(&answer)) else { panic!() };
    assert_eq!(rejection.faults(), [Fault::SubprotocolUnknown]);
    assert_eq!(wire.written(), rejection.response());
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_talks_on_is_read_until_it_ends_or_the_time_is_up() {
    for ends in [true, false] {
        let (io, wire) = transport();
        wire.put("GET / HTTP/1.1\r\n\r\n");
        let start = Instant::now();
        let talking = async {
            for _ in 0..30 {
                sleep(Duration::from_millis(100)).await;
                wire.put([0; 5000]);
            }
            if ends {
                wire.eof();
            }
        };
        let (refused, ()) = tokio::join!(accept(io), talking);
        assert!(matches!(refused, Err(Error::Rejected(_))));
        assert_eq!(start.elapsed(), Duration::from_secs(if ends { 3 } else { 10 }));
        assert!(wire.is_drained() || ends);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_before_the_end_of_the_head() {
    for cut in [0, 1, 20, request("").len() - 1] {
        let (io, wire) = transport();
        wire.put(&request("").as_bytes()[..cut]);
        wire.eof();
        assert!(matches!(at_once(accept(io)), Err(Error::Vanished)));
        assert!(wire.written().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails() {
    let (io, wire) = transport();
    wire.fail_reads(std::io::ErrorKind::ConnectionReset);
    assert!(matches!(at_once(accept(io)), Err(Error::Io(_))));
    for kind in [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::WriteZero] {
        let (io, wire) = transport();
        wire.put(request(""));
        wire.fail_writes(kind);
        assert!(matches!(at_once(accept(io)), Err(Error::Io(error)) if error.kind() == kind));
    }
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn is_late<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::TimedOut(TimedOut::Handshake)))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_has_ten_seconds() {
    let (io, wire) = transport();
    let start = Instant::now();
    assert!(is_late(&accept(io).await));
    assert_eq!(start.elapsed(), TEN_SECONDS);
    assert!(wire.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_a_byte_a_second_has_ten_seconds() {
    let (io, wire) = transport();
    let start = Instant::now();
    let speaking = async {
        for byte in request("").bytes() {
            wire.put([byte]);
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        accepted = accept(io) => assert!(is_late(&accepted)),
        () = speaking => unreachable!(),
    }
    assert_eq!(start.elapsed(), TEN_SECONDS);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_the_reply_has_ten_seconds_for_all_of_it() {
    let (io, wire) = transport();
    wire.open(5);
    let start = Instant::now();
    let speaking = async {
        sleep(Duration::from_millis(9900)).await;
        wire.put(request(""));
    };
    let (accepted, ()) = tokio::join!(accept(io), speaking);
    assert!(is_late(&accepted));
    assert_eq!(start.elapsed(), TEN_SECONDS);
    assert_eq!(wire.written(), b"HTTP/");
    assert!(wire.is_closed());
}

#[tokio::test(start_paused = true)]
async fn the_ten_seconds_go_on_while_the_application_decides() {
    let (io, wire) = transport();
    wire.stop_reading();
    let start = Instant::now();
    sleep(Duration::from_secs(3)).await;
    wire.put(request(""));
    let incoming = at_once(receive_offer(io, &Config::new())).unwrap();
    sleep(Duration::from_secs(4)).await;
    assert!(is_late(&incoming.accept(&Answer::default()).await));
    assert_eq!(start.elapsed(), Duration::from_secs(13), "from when the offer was awaited");
}

#[tokio::test(start_paused = true)]
async fn the_time_is_that_of_the_configuration() {
    let (io, _wire) = transport();
    let start = Instant::now();
    assert!(is_late(&receive_offer(io, &Config::new().handshake_timeout(Duration::from_secs(2))).await));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_is_dropped_drops_the_stream_and_answers_nothing() {
    for polls in 0..20 {
        let (io, wire) = transport();
        wire.cut(7);
        wire.stall();
        wire.put(request(""));
        assert!(poll_times(accept(io), polls).is_pending());
        assert!(wire.is_closed() && wire.written().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_the_configuration_hold_for_the_connection() {
    let (io, wire) = transport();
    wire.put(request(""));
    let config = Config::new().max_message(3).close_timeout(Duration::from_secs(1));
    let mut websocket = at_once(accept_with(io, &config, |_| Ok(Answer::default()))).unwrap();
    wire.put(Peer::new(wire.clone(), sansocket::Role::Client).frame(OpCode::Text, b"four"));
    assert!(waits(websocket.recv()));
    let start = Instant::now();
    assert!(matches!(websocket.recv().await, Err(Error::Protocol(_))));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

/// The first piece was read into memory of the thread; each stall would be a copy if the rest was, too.
#[tokio::test(start_paused = true)]
async fn a_head_in_many_pieces_with_frames_behind_it() {
    for piece in [1, 7, 1000, 5000] {
        let (io, wire) = transport();
        wire.cut(piece);
        wire.stall();
        let mut bytes = request(&format!("Cookie: {}\r\n", "c".repeat(9000))).into_bytes();
        bytes.extend(early(&wire));
        wire.put(bytes);
        let incoming = receive_offer(io, &Config::default()).await.unwrap();
        assert_eq!(incoming.offer().headers().get("cookie").map(<[u8]>::len), Some(9000));
        let mut websocket = incoming.accept(&Answer::default()).await.unwrap();
        assert_eq!(websocket.recv().await.unwrap(), Some("one".into()));
        assert_eq!(websocket.recv().await.unwrap(), Some("two".into()));
        assert_eq!(websocket.recv().await.unwrap(), None);
    }
}
