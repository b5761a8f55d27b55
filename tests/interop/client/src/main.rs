//! Our client against a server of another library, which has a path for each thing that a server can do.
//!
//! `sansocket-interop-client ws://HOST:PORT NAME` prints one line per check, each with the name of the server.

use std::{error::Error, fmt::Debug, process::ExitCode, time::Duration};

use bytes::Bytes;
use sansocket::{
    Chunk, CloseCode, CloseFrame, Kind, Message, ProtocolError,
    handshake::{HandshakeError, Request},
    tokio::{Ended, Error as WsError, WebSocket, client, connect},
};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Client = WebSocket<TcpStream>;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(base), Some(name)) = (args.next(), args.next()) else {
        eprintln!("usage: sansocket-interop-client ws://HOST:PORT NAME");
        return ExitCode::from(2);
    };
    let mut failed = 0;
    macro_rules! check {
        ($what:literal, $run:expr) => {
            match timeout(Duration::from_secs(20), $run)
                .await
                .unwrap_or_else(|_| Err("no end in time".into()))
            {
                Ok(()) => println!("ok {name}: {}", $what),
                Err(error) => {
                    failed += 1;
                    println!("FAIL {name}: {}: {error}", $what);
                }
            }
        };
    }
    let base = base.as_str();
    check!("no extension is offered", extensions(base));
    check!("text", echoes(base, ["hello".into()]));
    check!("text beyond ASCII", echoes(base, ["grüße, 世界, 👩🏽‍🚀 and \0".into(), "👋".repeat(20_000).into()]));
    check!("empty messages", echoes(base, ["".into(), Bytes::new().into()]));
    check!("each form of the payload length", echoes(base, [125, 126, 127, 65535, 65536].map(noise)));
    check!("1 MiB of binary", echoes(base, [noise(1 << 20)]));
    check!("8 MiB of binary", echoes(base, [noise(8 << 20)]));
    check!("1,000 messages without waiting", pipelined(base));
    check!("fragments sent, with a ping between", fragments_sent(base));
    check!("pings sent", pings_sent(base));
    check!("fragments received, with a ping between", fragments_received(base));
    check!("empty messages received", empty(base));
    check!("8 MiB received", large(base));
    check!("1,000 messages and a close received", flood(base));
    check!("pings received", pings_received(base));
    check!("a subprotocol is selected", subprotocol(base));
    check!("no subprotocol is selected", no_subprotocol(base));
    check!("close from the client", close_by_client(base));
    check!("close from the client without a code", close_by_client_without_a_code(base));
    check!("close from the server", close_by_server(base));
    check!("close from the server without a code", close_by_server_without_a_code(base));
    check!("close from the client while messages arrive", close_while_messages_arrive(base));
    check!("text that is not UTF-8", breach(base, "not-utf8", ProtocolError::TextNotUtf8));
    check!("a masked frame", breach(base, "masked", ProtocolError::MaskedFromServer));
    check!("a close code that is never sent", breach(base, "close-code", ProtocolError::CloseCodeInvalid));
    check!("the stream ends without a close", vanished(base, "drop"));
    check!("the connection is reset", vanished(base, "reset"));
    check!("a refusal with a body", refused(base));
    check!("50 connections at once", crowd(base));
    ExitCode::from(u8::from(failed > 0))
}

/// Connects to a path of the server.
async fn open(base: &str, path: &str) -> Result<Client> {
    Ok(connect(&format!("{base}/{path}")).await?)
}

/// Connects to a path with an id, by which the server can be asked how it saw the end.
async fn open_with_id(base: &str, path: &str) -> Result<(Client, String)> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    Ok((open(base, &format!("{path}?id={id}")).await?, id))
}

/// What the server saw at the end of the connection with this id: the close code and the reason.
async fn seen_by_server(base: &str, id: &str) -> Result<String> {
    let mut ws = open(base, &format!("ended?id={id}")).await?;
    let said = next(&mut ws).await?;
    let said = said.as_text().ok_or("not a text")?.trim_end().to_owned();
    finish(ws).await?;
    Ok(said)
}

/// The next message.
async fn next(ws: &mut Client) -> Result<Message> {
    Ok(ws.recv().await?.ok_or_else(|| format!("closed: {:?}", ws.ended()))?)
}

async fn expect(ws: &mut Client, message: impl Into<Message>) -> Result {
    same(&next(ws).await?, &message.into())
}

/// Closes with 1000, and expects the same.
async fn finish(mut ws: Client) -> Result {
    let ended = ws.close(CloseFrame::NORMAL).await;
    same(&ended, &Ended::Clean { sent: Some(CloseFrame::NORMAL), received: Some(CloseFrame::NORMAL) })
}

/// Fails if the two are not the same, without printing megabytes.
fn same<T: PartialEq + Debug>(got: &T, expected: &T) -> Result {
    let short = |value: &T| format!("{value:?}").chars().take(120).collect::<String>();
    if got == expected {
        Ok(())
    } else {
        Err(format!("{} instead of {}", short(got), short(expected)).into())
    }
}

/// Bytes without a pattern that a shift would keep.
fn noise(len: usize) -> Message {
    let mut state = len as u64;
    let byte = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..len).map(byte).collect::<Vec<u8>>().into()
}

async fn extensions(base: &str) -> Result {
    let mut ws = open(base, "extensions").await?;
    let said = next(&mut ws).await?;
    let said = said.as_text().ok_or("not a text")?.replace(' ', "");
    same(&said.as_str(), &r#"[null,""]"#)?;
    finish(ws).await
}

async fn echoes<const N: usize>(base: &str, messages: [Message; N]) -> Result {
    let mut ws = open(base, "echo").await?;
    for message in messages {
        ws.send(message.clone()).await?;
        expect(&mut ws, message).await?;
    }
    finish(ws).await
}

async fn pipelined(base: &str) -> Result {
    let mut ws = open(base, "echo").await?;
    for i in 0..1000 {
        ws.feed(format!("message {i}")).await?;
    }
    ws.flush().await?;
    for i in 0..1000 {
        expect(&mut ws, format!("message {i}")).await?;
    }
    finish(ws).await
}

async fn fragments_sent(base: &str) -> Result {
    let mut ws = open(base, "echo").await?;
    // Cut inside the character, and empty once.
    let text = "a 👋 in pieces";
    for (i, piece) in [&b"a \xf0\x9f"[..], b"", b"\x91\x8b in", b" pieces"].into_iter().enumerate() {
        ws.send_chunk(Chunk { kind: Kind::Text, data: Bytes::from_static(piece), fin: i == 3 }).await?;
        if i == 1 {
            ws.ping("between").await?;
        }
    }
    expect(&mut ws, text).await?;
    let data = noise(100_000).into_bytes();
    for i in 0..100 {
        let data = data.slice(i * 1000..(i + 1) * 1000);
        ws.send_chunk(Chunk { kind: Kind::Binary, data, fin: i == 99 }).await?;
    }
    expect(&mut ws, data).await?;
    finish(ws).await
}

async fn pings_sent(base: &str) -> Result {
    let mut ws = open(base, "echo").await?;
    for len in [0, 1, 125] {
        ws.ping(noise(len).into_bytes()).await?;
        ws.send("after").await?;
        expect(&mut ws, "after").await?;
    }
    finish(ws).await
}

async fn fragments_received(base: &str) -> Result {
    let mut ws = open(base, "fragments").await?;
    expect(&mut ws, "grüße in between 👋").await?;
    expect(&mut ws, (0..=255).flat_map(|byte| [byte; 1000]).collect::<Vec<u8>>()).await?;
    finish(ws).await
}

async fn empty(base: &str) -> Result {
    let mut ws = open(base, "empty").await?;
    expect(&mut ws, "").await?;
    expect(&mut ws, Bytes::new()).await?;
    finish(ws).await
}

async fn large(base: &str) -> Result {
    let mut ws = open(base, "large").await?;
    expect(&mut ws, (0..251).cycle().take(8 << 20).collect::<Vec<u8>>()).await?;
    finish(ws).await
}

async fn flood(base: &str) -> Result {
    let mut ws = open(base, "flood").await?;
    for i in 0..1000 {
        expect(&mut ws, format!("message {i}")).await?;
    }
    same(&ws.recv().await?, &None)?;
    let said = CloseFrame::new(1000, "that was it")?;
    match ws.ended() {
        Some(Ended::Clean { received, .. }) => same(&received, &Some(said)),
        other => Err(format!("{other:?}").into()),
    }
}

async fn pings_received(base: &str) -> Result {
    let mut ws = open(base, "ping").await?;
    expect(&mut ws, "ponged").await?;
    finish(ws).await
}

async fn subprotocol(base: &str) -> Result {
    let request =
        Request::new(&format!("{base}/subprotocol"))?.subprotocol("chat.v1")?.subprotocol("chat.v2")?;
    let address = base.strip_prefix("ws://").ok_or("not a ws URI")?;
    let mut ws = client(TcpStream::connect(address).await?, request).await?;
    same(&ws.subprotocol(), &Some("chat.v2"))?;
    expect(&mut ws, "chat.v2").await?;
    finish(ws).await
}

async fn no_subprotocol(base: &str) -> Result {
    let request = Request::new(&format!("{base}/subprotocol"))?.subprotocol("chat.v1")?;
    let address = base.strip_prefix("ws://").ok_or("not a ws URI")?;
    let mut ws = client(TcpStream::connect(address).await?, request).await?;
    same(&ws.subprotocol(), &None)?;
    expect(&mut ws, "").await?;
    finish(ws).await
}

async fn close_by_client(base: &str) -> Result {
    for frame in
        [CloseFrame::new(4100, "done")?, CloseFrame::new(1001, "")?, CloseFrame::new(3000, "r".repeat(123))?]
    {
        let (mut ws, id) = open_with_id(base, "echo").await?;
        let said = format!("{} {}", frame.code(), frame.reason());
        match ws.close(frame.clone()).await {
            Ended::Clean { sent, received, .. } => {
                same(&sent.as_ref(), &Some(&frame))?;
                same(&received.map(|frame| frame.code()), &Some(frame.code()))?;
            }
            other => return Err(format!("{other:?}").into()),
        }
        same(&seen_by_server(base, &id).await?.as_str(), &said.trim_end())?;
    }
    Ok(())
}

async fn close_by_client_without_a_code(base: &str) -> Result {
    let (mut ws, id) = open_with_id(base, "echo").await?;
    match ws.close(None).await {
        Ended::Clean { sent: None, .. } => {}
        other => return Err(format!("{other:?}").into()),
    }
    same(&seen_by_server(base, &id).await?.as_str(), &"1005")
}

async fn close_by_server(base: &str) -> Result {
    let (mut ws, id) = open_with_id(base, "close").await?;
    ws.send("go").await?;
    same(&ws.recv().await?, &None)?;
    same(&ws.recv().await?, &None)?;
    match ws.ended() {
        Some(Ended::Clean { sent, received, .. }) => {
            same(&sent.as_ref().map(|frame| u16::from(frame.code())), &Some(4001))?;
            same(&received, &Some(CloseFrame::new(4001, "bye")?))?;
        }
        other => return Err(format!("{other:?}").into()),
    }
    let seen = seen_by_server(base, &id).await?;
    if seen.starts_with("4001") { Ok(()) } else { Err(format!("the server saw {seen}").into()) }
}

async fn close_by_server_without_a_code(base: &str) -> Result {
    let (mut ws, id) = open_with_id(base, "close-empty").await?;
    ws.send("go").await?;
    same(&ws.recv().await?, &None)?;
    match ws.ended() {
        Some(Ended::Clean { sent: None, received: None, .. }) => {}
        other => return Err(format!("{other:?}").into()),
    }
    same(&seen_by_server(base, &id).await?.as_str(), &"1005")
}

async fn close_while_messages_arrive(base: &str) -> Result {
    let mut ws = open(base, "flood").await?;
    match ws.close(CloseFrame::NORMAL).await {
        Ended::Clean { received: Some(frame), .. } => same(&frame.code(), &CloseCode::NORMAL),
        other => Err(format!("{other:?}").into()),
    }
}

async fn breach(base: &str, path: &str, expected: ProtocolError) -> Result {
    let (mut ws, id) = open_with_id(base, path).await?;
    match ws.recv().await {
        Err(WsError::Protocol(error)) => same(&error, &expected)?,
        other => return Err(format!("{other:?}").into()),
    }
    match ws.ended() {
        Some(Ended::Violation { error, told, .. }) => {
            same(&error, &expected)?;
            same(&told, &CloseFrame::for_error(expected))?;
        }
        other => return Err(format!("{other:?}").into()),
    }
    drop(ws);
    let seen = seen_by_server(base, &id).await?;
    let code = expected.close_code().to_string();
    if seen.starts_with(&code) { Ok(()) } else { Err(format!("the server saw {seen}").into()) }
}

async fn vanished(base: &str, path: &str) -> Result {
    let mut ws = open(base, path).await?;
    ws.send("go").await?;
    match ws.recv().await {
        Err(WsError::Vanished | WsError::Io(_)) => {}
        other => return Err(format!("{other:?}").into()),
    }
    match ws.ended() {
        Some(Ended::Vanished(_)) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

async fn refused(base: &str) -> Result {
    match connect(&format!("{base}/refuse")).await {
        Err(WsError::Handshake(error)) => match *error {
            HandshakeError::Refused(refusal) => {
                same(&refusal.status(), &401)?;
                same(&&refusal.body()[..], &&b"who are you?\n"[..])
            }
            other => Err(other.into()),
        },
        Err(other) => Err(other.into()),
        Ok(_) => Err("connected".into()),
    }
}

async fn crowd(base: &str) -> Result {
    let mut all = JoinSet::new();
    for i in 0..50 {
        let base = base.to_owned();
        all.spawn(async move { echoes(&base, [format!("client {i}").into(), noise(10_000 + i)]).await });
    }
    while let Some(one) = all.join_next().await {
        one??;
    }
    Ok(())
}
