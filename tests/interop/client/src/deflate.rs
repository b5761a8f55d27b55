//! Our client with compression: what is agreed on, what then goes over the wire, and what is not to be accepted.

use bytes::{Bytes, BytesMut};
use sansocket::{
    Chunk, Compress, Compression, Config, Kind, Message, ProtocolError,
    deflate::{Params, WindowBits},
    handshake::Request,
    tokio::Error as WsError,
};

use crate::{Checks, Client, Result, Server, breach, connect, expect, finish, next, noise, same};

/// One direction as agreed: whether the context is kept, and the window.
type Direction = (bool, u8);

pub(crate) async fn checks(checks: &mut Checks, server: &Server) {
    let windows = [(15, 15), (9, 9), (10, 10), (12, 12), (9, 15), (15, 9)];
    for (server_bits, client_bits) in windows {
        for (server_takeover, client_takeover) in [(true, true), (false, true), (true, false), (false, false)]
        {
            let agreed = [(server_takeover, server_bits), (client_takeover, client_bits)];
            let what = format!("the client asks for {}", written(agreed));
            checks.run(&what, asked(server, agreed)).await;
            if (server_bits, client_bits) != (15, 15) || !server_takeover || !client_takeover {
                let what = format!("the server asks for {}", written(agreed));
                checks.run(&what, imposed(server, agreed)).await;
            }
        }
    }
    checks.run("the server declines", declined(server)).await;
    checks.run("the first offer that the server takes", fallback(server)).await;
    checks.run("a window that is too small for the encoder", smallest_window(server)).await;
    checks.run("each message as the call says", each_as_told(server)).await;
    checks.run("each message as the configuration says", each_as_configured(server)).await;
    checks.run("fragments follow the first of them", fragments(server)).await;
    for level in [0, 1, 6, 9] {
        checks.run(&format!("level {level}"), level_of(server, level)).await;
    }
    checks.run("8 MiB that compress well, and 8 that do not", large(server)).await;
    checks.run("8 MiB received in chunks", chunks(server)).await;
    checks.run("1,000 messages without waiting, one context", one_context(server)).await;
    checks.run("compressed messages and others mixed", now_and_then(server)).await;
    checks.run("a message over the limit", over_the_limit(server)).await;
    let server = &with(server, Params::new());
    checks.run("not DEFLATE", breach(server, "not-deflate", ProtocolError::DeflateInvalid)).await;
    checks.run("not UTF-8", breach(server, "not-utf8-deflated", ProtocolError::TextNotUtf8)).await;
    let server = &Server { deflate: None, ..server.clone() };
    checks.run("compressed unasked", breach(server, "not-deflate", ProtocolError::ReservedBit)).await;
}

fn with(server: &Server, terms: Params) -> Server {
    Server { deflate: Some(terms), ..server.clone() }
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

fn params([server, client]: [Direction; 2]) -> Params {
    let mut params =
        Params::new().server_max_window_bits(bits(server.1)).client_max_window_bits(bits(client.1));
    if !server.0 {
        params = params.server_no_context_takeover();
    }
    if !client.0 {
        params = params.client_no_context_takeover();
    }
    params
}

/// Terms as a server's answer has them.
fn written([server, client]: [Direction; 2]) -> String {
    let mut written = String::from("permessage-deflate");
    for (side, (takeover, _)) in [("server", server), ("client", client)] {
        if !takeover {
            written += &format!("; {side}_no_context_takeover");
        }
    }
    for (side, (_, bits)) in [("server", server), ("client", client)] {
        if bits < 15 {
            written += &format!("; {side}_max_window_bits={bits}");
        }
    }
    written
}

/// The query that makes the server ask for these terms; `any`: and for nothing else, as one does by default.
fn query([server, client]: [Direction; 2]) -> String {
    let mut query = String::from("?any");
    for (side, (takeover, bits)) in [("server", server), ("client", client)] {
        if !takeover {
            query += &format!("&{side}_no_context_takeover");
        }
        if bits < 15 {
            query += &format!("&{side}_max_window_bits={bits}");
        }
    }
    query
}

/// Sends a message, expects it back, and says how many bytes were sent and received.
async fn echoed(ws: &mut Client, message: impl Into<Message>) -> Result<[usize; 2]> {
    let message = message.into();
    let before = wire(ws);
    ws.send(message.clone()).await?;
    expect(ws, message).await?;
    Ok(since(ws, before))
}

fn wire(ws: &Client) -> [usize; 2] {
    [ws.stream().sent, ws.stream().received]
}

fn since(ws: &Client, before: [usize; 2]) -> [usize; 2] {
    let [sent, received] = wire(ws);
    [sent - before[0], received - before[1]]
}

fn ensure(is_so: bool, otherwise: impl FnOnce() -> String) -> Result {
    if is_so { Ok(()) } else { Err(otherwise().into()) }
}

fn repeated(len: usize) -> Bytes {
    b"what compresses well, ".iter().copied().cycle().take(len).collect()
}

async fn asked(server: &Server, agreed: [Direction; 2]) -> Result {
    let server = with(server, params(agreed));
    let ws = crate::open(&server, "echo?any").await?;
    same(&ws.connection().negotiated().deflate, &Some(params(agreed)))?;
    exercise(ws, agreed).await
}

async fn imposed(server: &Server, agreed: [Direction; 2]) -> Result {
    let server = with(server, Params::new());
    let ws = crate::open(&server, &format!("echo{}", query(agreed))).await?;
    same(&ws.connection().negotiated().deflate, &Some(params(agreed)))?;
    exercise(ws, agreed).await
}

/// All that a connection on these terms must be able to do.
async fn exercise(mut ws: Client, [server, client]: [Direction; 2]) -> Result {
    let random: String = noise(30_000).as_bytes().iter().map(|byte| char::from(b' ' + byte % 64)).collect();
    let texts =
        ["", "a", "grüße, 世界, 👩🏽‍🚀 and \0", &"👋".repeat(20_000), &"repeated ".repeat(10_000), &random, ""];
    for text in texts {
        echoed(&mut ws, text.to_owned()).await?;
    }
    for len in [0, 1, 63, 64, 125, 126, 65535, 65536, 0] {
        echoed(&mut ws, noise(len)).await?;
        echoed(&mut ws, vec![0; len]).await?;
    }
    probe(&mut ws, 0, client).await?;
    probe(&mut ws, 1, server).await?;
    for (i, text) in texts.into_iter().enumerate().skip(3) {
        ws.send_chunk(Chunk { kind: Kind::Text, data: text.to_owned().into(), fin: i == 6 }).await?;
        ws.ping(format!("behind {i}")).await?;
    }
    expect(&mut ws, texts[3..].concat()).await?;
    finish(ws).await
}

/// Holds what goes over the wire against the agreed terms: contexts are kept or not, windows are used and kept to.
async fn probe(ws: &mut Client, side: usize, (takeover, bits): Direction) -> Result {
    // Beyond half a window, so that half of it would not do; an encoder leaves 262 bytes of it unused.
    let near = noise((if bits > 9 { 7 } else { 4 } << bits) / 10 + side).into_bytes();
    let far = noise((7 << bits) / 5 + side).into_bytes();
    let small = |len: usize| len / 5 + 60;
    let way = ["sent", "received"][side];
    let say = |cost: usize, len: usize, what: &str| format!("{cost} bytes {way} for {len} {what}");

    let (len, cost) = (near.len(), echoed(ws, near.clone()).await?[side]);
    ensure(cost >= len, || say(cost, len, "of noise"))?;
    let cost = echoed(ws, near.clone()).await?[side];
    ensure(if takeover { cost <= small(len) } else { cost >= len }, || say(cost, len, "known ones"))?;
    let cost = echoed(ws, near.repeat(2)).await?[side];
    ensure(cost <= len + small(len), || say(cost, len, "twice"))?;
    if bits == 15 {
        return Ok(());
    }
    let len = far.len();
    let cost = echoed(ws, far.repeat(2)).await?[side];
    ensure(cost >= len / 10 * 19, || say(cost, len, "twice outside the window"))?;
    // The next message cannot be inflated by a peer if it reaches back farther than agreed.
    for _ in 0..2 {
        let cost = echoed(ws, far.clone()).await?[side];
        ensure(cost >= len / 100 * 95, || say(cost, len, "outside the window"))?;
    }
    Ok(())
}

async fn declined(server: &Server) -> Result {
    let mut ws = crate::open(&with(server, Params::new()), "echo?decline").await?;
    same(&ws.connection().negotiated().deflate, &None)?;
    let cost = echoed(&mut ws, repeated(10_000)).await?;
    ensure(cost.iter().all(|bytes| *bytes > 10_000), || format!("{cost:?}"))?;
    finish(ws).await
}

async fn fallback(server: &Server) -> Result {
    let narrow = Params::new().server_max_window_bits(bits(9));
    let request = Request::new(&format!("{}/echo?server_max_window_bits=12", server.base))?;
    // One of the servers has no window smaller than its own.
    let request = request.deflate(narrow).deflate(Params::new().client_no_context_takeover());
    let mut ws = connect(request, &Config::default()).await?;
    let agreed = ws.connection().negotiated().deflate;
    let second = Params::new().client_no_context_takeover().server_max_window_bits(bits(12));
    ensure([Some(narrow), Some(second)].contains(&agreed), || format!("{agreed:?}"))?;
    echoed(&mut ws, repeated(100_000)).await?;
    finish(ws).await
}

/// The encoder has no window of 256 bytes: such a client says nothing compressed, and hears it.
async fn smallest_window(server: &Server) -> Result {
    let server = with(server, Params::new().client_max_window_bits(bits(8)));
    let mut ws = crate::open(&server, "echo?any").await?;
    same(&ws.connection().negotiated().deflate, &server.deflate)?;
    let cost = echoed(&mut ws, repeated(10_000)).await?;
    ensure(cost[0] > 10_000 && cost[1] < 1000, || format!("{cost:?}"))?;
    finish(ws).await
}

async fn each_as_told(server: &Server) -> Result {
    let mut ws = crate::open(&with(server, Params::new()), "echo").await?;
    for _ in 0..3 {
        for (compress, len, is_small) in [
            (Compress::Always, 10, true),
            (Compress::Never, 10_000, false),
            (Compress::Above(10_000), 10_000, true),
            (Compress::Above(10_001), 10_000, false),
            (Compress::Always, 0, false),
            (Compress::Never, 0, true),
            (Compress::Always, 10_000, true),
        ] {
            let (message, before) = (repeated(len), wire(&ws));
            ws.send_with(message.clone(), compress).await?;
            expect(&mut ws, message).await?;
            let sent = since(&ws, before)[0];
            // An empty message takes one byte when it is compressed; a header with a key takes six.
            let is = if len == 0 { sent == 6 } else { sent < 100.max(len / 10) };
            ensure(is == is_small, || format!("{sent} bytes for {len}, {compress:?}"))?;
        }
    }
    finish(ws).await
}

async fn each_as_configured(server: &Server) -> Result {
    for (when, len, is_small) in [
        (Compress::Never, 1000, false),
        (Compress::Always, 1000, true),
        (Compress::Above(1000), 1000, true),
        (Compress::Above(1001), 1000, false),
    ] {
        let config = Config::new().compression(Compression::new(6, when));
        let mut ws = connect(with(server, Params::new()).request("echo")?, &config).await?;
        let [sent, received] = echoed(&mut ws, repeated(len)).await?;
        ensure((sent < 100) == is_small && received < 100, || format!("{sent} and {received}, {when:?}"))?;
        finish(ws).await?;
    }
    Ok(())
}

async fn fragments(server: &Server) -> Result {
    let mut ws = crate::open(&with(server, Params::new()), "echo").await?;
    for (first, is_small) in [(1000, true), (10, false), (1000, true), (0, false)] {
        let (message, before) = (repeated(20_000), wire(&ws));
        let mut rest = message.clone();
        for (i, len) in [first, 0, 2000, 20_000 - 2000 - first, 0].into_iter().enumerate() {
            let data = rest.split_to(len);
            ws.send_chunk(Chunk { kind: Kind::Binary, data, fin: i == 4 }).await?;
            if i % 2 == 0 && i < 4 {
                ws.ping("between").await?;
            }
        }
        expect(&mut ws, message).await?;
        let sent = since(&ws, before)[0];
        ensure(if is_small { sent < 1000 } else { sent > 20_000 }, || {
            format!("{sent} bytes, {first} first")
        })?;
    }
    finish(ws).await
}

async fn level_of(server: &Server, level: u8) -> Result {
    let config = Config::new().compression(Compression::new(level, Compress::Always));
    let mut ws = connect(with(server, Params::new()).request("echo")?, &config).await?;
    for len in [0, 1, 100, 100_000] {
        echoed(&mut ws, noise(len)).await?;
        echoed(&mut ws, repeated(len)).await?;
    }
    finish(ws).await
}

async fn large(server: &Server) -> Result {
    let mut ws = crate::open(&with(server, Params::new()), "echo").await?;
    let cost = echoed(&mut ws, repeated(8 << 20)).await?;
    ensure(cost.iter().all(|bytes| *bytes < 200_000), || format!("{cost:?}"))?;
    echoed(&mut ws, noise(8 << 20)).await?;
    finish(ws).await
}

async fn chunks(server: &Server) -> Result {
    let mut ws = crate::open(&with(server, Params::new()), "large").await?;
    let (mut message, mut largest) = (BytesMut::new(), 0);
    loop {
        let chunk = ws.recv_chunk().await?.ok_or("closed")?;
        largest = largest.max(chunk.data.len());
        message.extend_from_slice(&chunk.data);
        if chunk.fin {
            break;
        }
    }
    ensure(largest < 1 << 20, || format!("a chunk of {largest} bytes"))?;
    same(&message.freeze(), &(0..251).cycle().take(8 << 20).collect::<Bytes>())?;
    finish(ws).await
}

async fn one_context(server: &Server) -> Result {
    let mut ws = crate::open(&with(server, Params::new()), "echo").await?;
    let message = |i| {
        format!(
            r#"{{"id": {i}, "tags": ["context", "takeover", "across", "messages", "of one connection"]}}"#
        )
    };
    let before = wire(&ws);
    for i in 0..1000 {
        ws.feed(message(i)).await?;
    }
    ws.flush().await?;
    for i in 0..1000 {
        expect(&mut ws, message(i)).await?;
    }
    let cost = since(&ws, before);
    ensure(cost.iter().all(|bytes| *bytes < 40_000), || format!("{cost:?}"))?;
    finish(ws).await
}

async fn now_and_then(server: &Server) -> Result {
    let mut ws = crate::open(&with(server, Params::new()), "now-and-then").await?;
    for _ in 0..20 {
        expect(&mut ws, "now and then ".repeat(50)).await?;
    }
    let received = wire(&ws)[1];
    ensure((7 * 650..14 * 650).contains(&received), || format!("{received} bytes"))?;
    finish(ws).await
}

/// The limit counts what a message inflates to.
async fn over_the_limit(server: &Server) -> Result {
    let request = with(server, Params::new()).request("large")?;
    let mut ws = connect(request, &Config::new().max_message(1 << 20)).await?;
    match next(&mut ws).await.map_err(|error| error.downcast::<WsError>()) {
        Err(Ok(error)) if matches!(*error, WsError::Protocol(ProtocolError::MessageTooLarge)) => Ok(()),
        other => Err(format!("{:.100}", format!("{other:?}")).into()),
    }
}
