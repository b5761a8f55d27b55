//! The client's side of the opening handshake, over a stream. RFC 6455 §4.1.

use core::{future::Future, pin::Pin};
use std::boxed::Box;

use ::tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use bytes::BytesMut;

use super::{Error, READ, WebSocket, clock::Clock, entropy, trace};
use crate::{
    config::Config,
    connection::Connection,
    error::TimedOut,
    handshake::{ClientHandshake, Request},
};

/// Connects to a `ws` URI with the default [`Config`].
///
/// ```no_run
/// # async fn example() -> Result<(), sansocket::tokio::Error> {
/// let mut websocket = sansocket::tokio::connect("ws://127.0.0.1:9001/ws").await?;
/// websocket.send("hello").await?;
/// assert_eq!(websocket.recv().await?, Some("hello".into()));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Uri`] for a URI that is none, [`Error::TlsNeeded`] for `wss`, [`Error::Handshake`] when the server
/// does not agree, [`Error::TimedOut`] after [`Config::handshake_timeout`], and [`Error::Io`].
pub async fn connect(uri: &str) -> Result<WebSocket<TcpStream>, Error> {
    connect_with(Request::new(uri)?, &Config::default()).await
}

/// Connects with a request of one's own: header fields, subprotocols.
///
/// The deadline holds for all of it: finding the address, TCP, and the opening handshake.
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_with(request: Request, config: &Config) -> Result<WebSocket<TcpStream>, Error> {
    if request.is_secure() {
        return Err(Error::TlsNeeded);
    }
    let opening = Box::pin(async {
        let stream = TcpStream::connect((request.host(), request.port())).await?;
        stream.set_nodelay(true)?;
        shake(stream, request, config).await
    });
    within(config, opening).await
}

/// Opens a connection over a stream of any kind with the default [`Config`].
///
/// # Errors
///
/// As [`connect`].
pub async fn client<T>(io: T, request: Request) -> Result<WebSocket<T>, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    client_with(io, request, &Config::default()).await
}

/// Opens a connection over a stream of any kind.
///
/// # Errors
///
/// As [`connect`].
pub async fn client_with<T>(io: T, request: Request, config: &Config) -> Result<WebSocket<T>, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    within(config, Box::pin(shake(io, request, config))).await
}

/// In a box, so that what a handshake needs is not a part of its task for as long as that lives.
async fn within<T>(
    config: &Config,
    mut opening: Pin<Box<impl Future<Output = Result<T, Error>>>>,
) -> Result<T, Error> {
    let mut clock = Clock::new();
    let opened = clock.within(config.handshake_timeout, |cx| opening.as_mut().poll(cx));
    opened.await.ok_or(TimedOut::Handshake)?
}

async fn shake<T>(mut io: T, request: Request, config: &Config) -> Result<WebSocket<T>, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut handshake = ClientHandshake::new(request, entropy::random(), &config.limits);
    io.write_all_buf(&mut handshake.request()).await?;
    io.flush().await?;
    let mut input = BytesMut::new();
    let established = loop {
        if let Some(established) = handshake.receive(&mut input).inspect_err(trace::refused)? {
            break established;
        }
        input.reserve(READ);
        if io.read_buf(&mut input).await? == 0 {
            return Err(handshake.receive_eof().into());
        }
    };
    let connection = Connection::client(config, established.negotiated, entropy::random);
    trace::opened(&connection);
    Ok(WebSocket::from_parts(io, connection, input))
}
