//! Streams that buffer: what they hold back has not left.

use std::time::Duration;

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Keepalive, Negotiated, TimedOut,
    tokio::{Error, WebSocket},
};
use tokio::{
    io::{AsyncWriteExt, BufStream, DuplexStream, duplex},
    time::{Instant, timeout},
};

const SECOND: Duration = Duration::from_secs(1);

fn server(config: &Config) -> (WebSocket<BufStream<DuplexStream>>, DuplexStream) {
    let (near, far) = duplex(64);
    let connection = Connection::server(config, Negotiated::default());
    (WebSocket::from_parts(BufStream::new(near), connection, BytesMut::new()), far)
}

/// A message is held, so that the peer's silence is of our making; that it takes nothing is not.
#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_out_of_a_buffer_is_given_up() {
    let (mut websocket, mut peer) = server(&Config::new());
    peer.write_all(b"\x82\x80\0\0\0\0").await.unwrap();
    let start = Instant::now();
    let sent = timeout(3600 * SECOND, websocket.send(vec![0; 1000])).await.unwrap();
    assert!(matches!(sent, Err(Error::TimedOut(TimedOut::Write))), "{sent:?}");
    assert_eq!(start.elapsed(), 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_and_takes_nothing_out_of_a_buffer_is_given_up() {
    let (mut websocket, mut peer) = server(&Config::new());
    let talking = async {
        loop {
            tokio::time::sleep(10 * SECOND).await;
            peer.write_all(b"\x82\x80\0\0\0\0").await.unwrap();
        }
    };
    let start = Instant::now();
    let listening = async {
        websocket.feed(vec![0; 1000]).await.unwrap();
        loop {
            if let Err(error) = websocket.recv().await {
                return error;
            }
        }
    };
    tokio::select! {
        error = listening => assert!(matches!(error, Error::TimedOut(TimedOut::Write)), "{error:?}"),
        () = talking => unreachable!(),
    }
    assert_eq!(start.elapsed(), 60 * SECOND);
}

/// An interval of nothing makes a ping each millisecond, and not one each time that the clock is looked at.
#[tokio::test(start_paused = true)]
async fn an_interval_of_nothing_is_a_millisecond() {
    let keepalive = Keepalive::new(Duration::ZERO, 30 * SECOND);
    let (mut websocket, mut peer) = server(&Config::new().keepalive(keepalive));
    peer.write_all(b"\x82\x80\0\0\0\0").await.unwrap();
    assert!(timeout(SECOND, websocket.send(vec![0; 1000])).await.is_err());
    assert!(websocket.connection().sent().frames < 1100);
}
