//! Our client against a server of another library, which has a path for each thing that a server can do.
//!
//! `sansocket-interop-client ws://HOST:PORT NAME` prints one line per check, each with the name of the server.

mod counted;
mod deflate;

use std::{error::Error, fmt::Debug, process::ExitCode, time::Duration};

use bytes::Bytes;
use counted::Counted;
use sansocket::{
    Chunk, CloseCode, CloseFrame, Config, Kind, Message, ProtocolError,
    deflate::Params,
    handshake::{HandshakeError, Request},
    tokio::{Ended, Error as WsError, WebSocket, client_with},
};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Client = WebSocket<Counted>;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(base), Some(name)) = (args.next(), args.next()) else {
        eprintln!("usage: sansocket-interop-client ws://HOST:PORT NAME");
        return ExitCode::from(2);
    };
    let mut checks = Checks { server: name, failed: 0 };
    let plain = Server { base, deflate: None };
    plain_checks(&mut checks, &plain).await;
    checks.server += ", deflate";
    plain_checks(&mut checks, &Server { deflate: Some(Params::new()), ..plain.clone() }).await;
    deflate::checks(&mut checks, &plain).await;
    ExitCode::from(u8::from(checks.failed > 0))
}

/// Runs checks, and prints the line of each.
struct Checks {
    server: String,
    failed: u32,
}

impl Checks {
    async fn run(&mut self, what: &str, check: impl Future<Output = Result>) {
        let ended = timeout(Duration::from_secs(20), check).await;
        match ended.unwrap_or_else(|_| Err("no end in time".into())) {
            Ok(()) => println!("ok {}: {what}", self.server),
            Err(error) => {
                self.failed += 1;
                println!("FAIL {}: {what}: {error}", self.server);
            }
        }
    }
}

/// What has to work whether compression is on or not.
async fn plain_checks(checks: &mut Checks, server: &Server) {
    checks.run("extensions", extensions(server)).await;
    checks.run("text", echoes(server, ["hello".into()])).await;
    checks
        .run(
            "text beyond ASCII",
            echoes(server, ["grüße, 世界, 👩🏽‍🚀 and \0".into(), "👋".repeat(20_000).into()]),
        )
        .await;
    checks.run("empty messages", echoes(server, ["".into(), Bytes::new().into()])).await;
    checks
        .run("each form of the payload length", echoes(server, [125, 126, 127, 65535, 65536].map(noise)))
        .await;
    checks.run("1 MiB of binary", echoes(server, [noise(1 << 20)])).await;
    checks.run("8 MiB of binary", echoes(server, [noise(8 << 20)])).await;
    checks.run("1,000 messages without waiting", pipelined(server)).await;
    checks.run("fragments sent, with a ping between", fragments_sent(server)).await;
    checks.run("pings sent", pings_sent(server)).await;
    checks.run("fragments received, with a ping between", fragments_received(server)).await;
    checks.run("empty messages received", empty(server)).await;
    checks.run("8 MiB received", large(server)).await;
    checks.run("1,000 messages and a close received", flood(server)).await;
    checks.run("pings received", pings_received(server)).await;
    checks.run("a subprotocol is selected", subprotocol(server)).await;
    checks.run("no subprotocol is selected", no_subprotocol(server)).await;
    checks.run("close from the client", close_by_client(server)).await;
    checks.run("close from the client without a code", close_by_client_without_a_code(server)).await;
    checks.run("close from the server", close_by_server(server)).await;
    checks.run("close from the server without a code", close_by_server_without_a_code(server)).await;
    checks.run("close from the client while messages arrive", close_while_messages_arrive(server)).await;
    checks.run("text that is not UTF-8", breach(server, "not-utf8", ProtocolError::TextNotUtf8)).await;
    checks.run("a masked frame", breach(server, "masked", ProtocolError::MaskedFromServer)).await;
    checks
        .run("a close code that is never sent", breach(server, "close-code", ProtocolError::CloseCodeInvalid))
        .await;
    checks.run("the stream ends without a close", vanished(server, "drop")).await;
    checks.run("the connection is reset", vanished(server, "reset")).await;
    checks.run("a refusal with a body", refused(server)).await;
    checks.run("50 connections at once", crowd(server)).await;
}

/// A server, and what it is offered.
#[derive(Clone)]
struct Server {
    base: String,
    deflate: Option<Params>,
}

impl Server {
    fn request(&self, path: &str) -> Result<Request> {
        let request = Request::new(&format!("{}/{path}", self.base))?;
        Ok(match self.deflate {
            Some(terms) => request.deflate(terms),
            None => request,
        })
    }
}

/// Connects to a path of the server.
async fn open(server: &Server, path: &str) -> Result<Client> {
    connect(server.request(path)?, &Config::default()).await
}

async fn connect(request: Request, config: &Config) -> Result<Client> {
    let stream = TcpStream::connect((request.host(), request.port())).await?;
    stream.set_nodelay(true)?;
    Ok(client_with(Counted::new(stream), request, config).await?)
}

/// Connects to a path with an id, by which the server can be asked how it saw the end.
async fn open_with_id(server: &Server, path: &str) -> Result<(Client, String)> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    Ok((open(server, &format!("{path}?id={id}")).await?, id))
}

/// What the server saw at the end of the connection with this id: the close code and the reason.
async fn seen_by_server(server: &Server, id: &str) -> Result<String> {
    let mut ws = open(server, &format!("ended?id={id}")).await?;
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

async fn extensions(server: &Server) -> Result {
    let mut ws = open(server, "extensions").await?;
    let said = next(&mut ws).await?;
    let said = said.as_text().ok_or("not a text")?.replace(' ', "");
    let is_declined = said == r#"[null,""]"#;
    same(&is_declined, &server.deflate.is_none())?;
    same(&ws.connection().negotiated().deflate.is_none(), &is_declined)?;
    finish(ws).await
}

async fn echoes<const N: usize>(server: &Server, messages: [Message; N]) -> Result {
    let mut ws = open(server, "echo").await?;
    for message in messages {
        ws.send(message.clone()).await?;
        expect(&mut ws, message).await?;
    }
    finish(ws).await
}

async fn pipelined(server: &Server) -> Result {
    let mut ws = open(server, "echo").await?;
    for i in 0..1000 {
        ws.feed(format!("message {i}")).await?;
    }
    ws.flush().await?;
    for i in 0..1000 {
        expect(&mut ws, format!("message {i}")).await?;
    }
    finish(ws).await
}

async fn fragments_sent(server: &Server) -> Result {
    let mut ws = open(server, "echo").await?;
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

async fn pings_sent(server: &Server) -> Result {
    let mut ws = open(server, "echo").await?;
    for len in [0, 1, 125] {
        ws.ping(noise(len).into_bytes()).await?;
        ws.send("after").await?;
        expect(&mut ws, "after").await?;
    }
    finish(ws).await
}

async fn fragments_received(server: &Server) -> Result {
    let mut ws = open(server, "fragments").await?;
    expect(&mut ws, "grüße in between 👋").await?;
    expect(&mut ws, (0..=255).flat_map(|byte| [byte; 1000]).collect::<Vec<u8>>()).await?;
    finish(ws).await
}

async fn empty(server: &Server) -> Result {
    let mut ws = open(server, "empty").await?;
    expect(&mut ws, "").await?;
    expect(&mut ws, Bytes::new()).await?;
    finish(ws).await
}

async fn large(server: &Server) -> Result {
    let mut ws = open(server, "large").await?;
    expect(&mut ws, (0..251).cycle().take(8 << 20).collect::<Vec<u8>>()).await?;
    finish(ws).await
}

async fn flood(server: &Server) -> Result {
    let mut ws = open(server, "flood").await?;
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

async fn pings_received(server: &Server) -> Result {
    let mut ws = open(server, "ping").await?;
    expect(&mut ws, "ponged").await?;
    finish(ws).await
}

async fn subprotocol(server: &Server) -> Result {
    let request = server.request("subprotocol")?.subprotocol("chat.v1")?.subprotocol("chat.v2")?;
    let mut ws = connect(request, &Config::default()).await?;
    same(&ws.subprotocol(), &Some("chat.v2"))?;
    expect(&mut ws, "chat.v2").await?;
    finish(ws).await
}

async fn no_subprotocol(server: &Server) -> Result {
    let request = server.request("subprotocol")?.subprotocol("chat.v1")?;
    let mut ws = connect(request, &Config::default()).await?;
    same(&ws.subprotocol(), &None)?;
    expect(&mut ws, "").await?;
    finish(ws).await
}

async fn close_by_client(server: &Server) -> Result {
    for frame in
        [CloseFrame::new(4100, "done")?, CloseFrame::new(1001, "")?, CloseFrame::new(3000, "r".repeat(123))?]
    {
        let (mut ws, id) = open_with_id(server, "echo").await?;
        let said = format!("{} {}", frame.code(), frame.reason());
        match ws.close(frame.clone()).await {
            Ended::Clean { sent, received, .. } => {
                same(&sent.as_ref(), &Some(&frame))?;
                same(&received.map(|frame| frame.code()), &Some(frame.code()))?;
            }
            other => return Err(format!("{other:?}").into()),
        }
        same(&seen_by_server(server, &id).await?.as_str(), &said.trim_end())?;
    }
    Ok(())
}

async fn close_by_client_without_a_code(server: &Server) -> Result {
    let (mut ws, id) = open_with_id(server, "echo").await?;
    match ws.close(None).await {
        Ended::Clean { sent: None, .. } => {}
        other => return Err(format!("{other:?}").into()),
    }
    same(&seen_by_server(server, &id).await?.as_str(), &"1005")
}

async fn close_by_server(server: &Server) -> Result {
    let (mut ws, id) = open_with_id(server, "close").await?;
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
    let seen = seen_by_server(server, &id).await?;
    if seen.starts_with("4001") { Ok(()) } else { Err(format!("the server saw {seen}").into()) }
}

async fn close_by_server_without_a_code(server: &Server) -> Result {
    let (mut ws, id) = open_with_id(server, "close-empty").await?;
    ws.send("go").await?;
    same(&ws.recv().await?, &None)?;
    match ws.ended() {
        Some(Ended::Clean { sent: None, received: None, .. }) => {}
        other => return Err(format!("{other:?}").into()),
    }
    same(&seen_by_server(server, &id).await?.as_str(), &"1005")
}

async fn close_while_messages_arrive(server: &Server) -> Result {
    let mut ws = open(server, "flood").await?;
    match ws.close(CloseFrame::NORMAL).await {
        Ended::Clean { received: Some(frame), .. } => same(&frame.code(), &CloseCode::NORMAL),
        other => Err(format!("{other:?}").into()),
    }
}

async fn breach(server: &Server, path: &str, expected: ProtocolError) -> Result {
    let (mut ws, id) = open_with_id(server, path).await?;
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
    let seen = seen_by_server(server, &id).await?;
    let code = expected.close_code().to_string();
    if seen.starts_with(&code) { Ok(()) } else { Err(format!("the server saw {seen}").into()) }
}

async fn vanished(server: &Server, path: &str) -> Result {
    let mut ws = open(server, path).await?;
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

async fn refused(server: &Server) -> Result {
    let Err(error) = open(server, "refuse").await else { return Err("connected".into()) };
    match *error.downcast::<WsError>()? {
        WsError::Handshake(error) => match *error {
            HandshakeError::Refused(refusal) => {
                same(&refusal.status(), &401)?;
                same(&&refusal.body()[..], &&b"who are you?\n"[..])
            }
            other => Err(other.into()),
        },
        other => Err(other.into()),
    }
}

async fn crowd(server: &Server) -> Result {
    let mut all = JoinSet::new();
    for i in 0..50 {
        let server = server.clone();
        all.spawn(async move { echoes(&server, [format!("client {i}").into(), noise(10_000 + i)]).await });
    }
    while let Some(one) = all.join_next().await {
        one??;
    }
    Ok(())
}
