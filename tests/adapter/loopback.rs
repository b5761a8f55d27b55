//! Our client and our server over TCP.

use std::net::SocketAddr;

use sansocket::{
    CloseFrame, Config, Message, ProtocolError,
    handshake::Request,
    tokio::{Ended, Error, WebSocket, accept, connect, connect_with},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn pair() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let (listener, address) = listen().await;
    let uri = format!("ws://{address}/");
    let (client, server) =
        tokio::join!(connect(&uri), async { accept(listener.accept().await.unwrap().0).await });
    (client.unwrap(), server.unwrap())
}

/// Lengths from 0 to 64 KiB, small ones as often as large ones.
fn lengths(mut seed: u64) -> impl Iterator<Item = usize> {
    std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = (seed >> 33) % 17;
        ((seed >> 40) as usize) & ((1 << bits) - 1)
    })
}

fn messages(seed: u64) -> impl Iterator<Item = Message> {
    lengths(seed).enumerate().map(|(i, len)| match i % 2 {
        0 => vec![i as u8; len].into(),
        _ => "ä".repeat(len / 2).into(),
    })
}

/// Sends a thousand messages and receives a thousand, in whatever order they come.
async fn converse(websocket: &mut WebSocket<TcpStream>, ours: u64, theirs: u64) {
    let mut expected = messages(theirs).take(1000);
    let mut received = 0;
    for message in messages(ours).take(1000) {
        websocket.feed(message).await.unwrap();
        // Now and then it looks, and does not wait.
        if received % 3 == 0 {
            continue;
        }
        tokio::select! {
            biased;
            message = websocket.recv() => {
                assert!(message.unwrap() == expected.next());
                received += 1;
            }
            () = std::future::ready(()) => {}
        }
    }
    websocket.flush().await.unwrap();
    for message in expected {
        assert!(websocket.recv().await.unwrap() == Some(message));
    }
}

#[tokio::test]
async fn a_thousand_messages_both_ways_at_once() {
    let (mut client, mut server) = pair().await;
    tokio::join!(converse(&mut client, 1, 2), converse(&mut server, 2, 1));
    let (ended, received) = tokio::join!(client.close(CloseFrame::NORMAL), server.recv());
    assert_eq!(received.unwrap(), None);
    assert!(ended.is_clean());
    assert_eq!(server.ended(), Some(ended));
}

#[tokio::test]
async fn a_message_of_sixteen_megabytes_there_and_back() {
    let (mut client, mut server) = pair().await;
    let payload: Vec<u8> = (0..16 << 20).map(|i: u32| (i.wrapping_mul(0x9E37_79B9) >> 24) as u8).collect();
    let echo = async {
        let message = server.recv().await.unwrap().unwrap();
        server.send(message).await.unwrap();
    };
    let ask = async {
        client.send(payload.clone()).await.unwrap();
        client.recv().await.unwrap().unwrap()
    };
    let (echoed, ()) = tokio::join!(ask, echo);
    assert!(*echoed.as_bytes() == payload);
}

#[tokio::test]
async fn two_hundred_connections_at_once() {
    let (listener, address) = listen().await;
    let uri = format!("ws://{address}/");
    let mut servers = JoinSet::new();
    let mut clients = JoinSet::new();
    for i in 0..200_u32 {
        let uri = uri.clone();
        clients.spawn(async move {
            let mut websocket = connect(&uri).await.unwrap();
            for round in 0..10 {
                let message = Message::from(format!("{i} {round}"));
                websocket.send(message.clone()).await.unwrap();
                assert_eq!(websocket.recv().await.unwrap(), Some(message));
            }
            websocket.close(CloseFrame::NORMAL).await
        });
        let (stream, _) = listener.accept().await.unwrap();
        servers.spawn(async move {
            let mut websocket = accept(stream).await.unwrap();
            while let Some(message) = websocket.recv().await.unwrap() {
                websocket.send(message).await.unwrap();
            }
            websocket.ended().unwrap()
        });
    }
    while let Some(ended) = clients.join_next().await {
        assert!(ended.unwrap().is_clean());
    }
    while let Some(ended) = servers.join_next().await {
        assert!(ended.unwrap().is_clean());
    }
}

#[tokio::test]
async fn the_word_about_a_breach_arrives_though_much_was_unread() {
    let (listener, address) = listen().await;
    let config = Config::new().max_message(1000);
    let serving = async {
        let stream = listener.accept().await.unwrap().0;
        let mut websocket =
            sansocket::tokio::accept_with(stream, &config, |_| Ok(Default::default())).await.unwrap();
        websocket.recv().await
    };
    let (received, ended) = tokio::join!(serving, async {
        let mut websocket = connect(&format!("ws://{address}/")).await.unwrap();
        // More than the sockets hold: without somebody who reads it away, the Close frame would be overtaken by a reset.
        let _ = websocket.send(vec![7; 12 << 20]).await;
        websocket.close(None).await
    });
    assert!(matches!(received, Err(Error::Protocol(ProtocolError::FrameTooLarge))), "{received:?}");
    let Ended::Clean { received: Some(frame), .. } = &ended else { panic!("{ended:?}") };
    assert_eq!((u16::from(frame.code()), frame.reason()), (1009, "frame larger than the limit"));
}

#[tokio::test]
async fn a_refusal_arrives_though_much_was_unread() {
    let (listener, address) = listen().await;
    let serving = async { accept(listener.accept().await.unwrap().0).await };
    let (refused, reply) = tokio::join!(serving, async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n\r\n{}", "x".repeat(4 << 20));
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    });
    assert!(matches!(refused, Err(Error::Rejected(_))));
    assert!(reply.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{reply}");
}

#[tokio::test]
async fn a_peer_that_is_dropped_has_vanished() {
    let (client, mut server) = pair().await;
    drop(client);
    assert!(matches!(server.recv().await, Err(Error::Vanished)));
}

#[tokio::test]
async fn a_connection_moves_between_threads() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (mut client, mut server) = pair().await;
    is_send_and_sync(&client);
    is_send(client.send("hello")).await.unwrap();
    assert_eq!(is_send(server.recv()).await.unwrap(), Some("hello".into()));
    let (ended, _) = tokio::join!(is_send(client.close(None)), is_send(server.recv()));
    assert!(ended.is_clean());
    drop(is_send(connect_with(Request::new("ws://127.0.0.1:1/").unwrap(), &Config::new())));
}
