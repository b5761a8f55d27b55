//! The server's side of the opening handshake, over a stream. RFC 6455 §4.2.

use core::{future::Future, time::Duration};
use std::{boxed::Box, io};

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use bytes::BytesMut;

use super::{Error, READ, WebSocket, clock::Clock, trace};
use crate::{
    config::Config,
    connection::Connection,
    error::TimedOut,
    handshake::{Answer, Offer, Rejection, ServerHandshake},
};

/// Accepts a connection with the default [`Config`] and [`Answer`]: pages of other hosts are refused.
///
/// # Errors
///
/// [`Error::Rejected`] once a bad request has been answered, [`Error::TimedOut`] after
/// [`Config::handshake_timeout`], [`Error::Vanished`] and [`Error::Io`].
pub async fn accept<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> Result<WebSocket<T>, Error> {
    Box::pin(async move { open(io, &Config::default(), |_| Ok(Answer::default())).await }).await
}

/// Accepts a connection as `answer` says to what the client offers.
///
/// ```no_run
/// # async fn example(stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// use sansocket::{Config, handshake::{Answer, Rejection}, tokio::accept_with};
///
/// let config = Config::new().max_message(64 << 10);
/// let websocket = accept_with(stream, &config, |offer| match offer.path() {
///     "/chat" => Ok(Answer::default()),
///     _ => Err(Rejection::new(404)),
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`accept`].
pub async fn accept_with<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    config: &Config,
    answer: impl FnOnce(&Offer) -> Result<Answer, Rejection>,
) -> Result<WebSocket<T>, Error> {
    Box::pin(open(io, config, answer)).await
}

/// In a box, so that what a handshake needs is not a part of its task for as long as that lives.
async fn open<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    config: &Config,
    answer: impl FnOnce(&Offer) -> Result<Answer, Rejection>,
) -> Result<WebSocket<T>, Error> {
    let incoming = receive_offer(io, config).await?;
    match answer(incoming.offer()) {
        Ok(answer) => incoming.accept(&answer).await,
        Err(rejection) => Err(incoming.reject(rejection).await),
    }
}

/// Receives what a client offers, for a server that needs time, or other tasks, to answer it.
///
/// A bad request is answered here. The deadline of the opening handshake goes on until the answer is written.
///
/// # Errors
///
/// As [`accept`].
pub async fn receive_offer<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    config: &Config,
) -> Result<Incoming<T>, Error> {
    let mut time = Time { clock: Clock::new(), limit: config.handshake_timeout };
    let mut input = BytesMut::new();
    let mut handshake = ServerHandshake::new(&config.limits);
    let offer = loop {
        match handshake.receive(&mut input) {
            Ok(Some(offer)) => break offer,
            Ok(None) => {}
            Err(rejection) => return Err(refuse(&mut io, &mut time, rejection).await),
        }
        input.reserve(READ);
        if time.hold(io.read_buf(&mut input)).await? == 0 {
            return Err(Error::Vanished);
        }
    };
    Ok(Incoming { io, input, offer, time, config: config.clone() })
}

/// A client that waits for an answer.
#[derive(Debug)]
pub struct Incoming<T> {
    io: T,
    input: BytesMut,
    offer: Offer,
    time: Time,
    config: Config,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Incoming<T> {
    /// What the client offers.
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Accepts the connection, or refuses it if the offer does not meet the answer's terms.
    ///
    /// # Errors
    ///
    /// As [`accept`].
    pub async fn accept(mut self, answer: &Answer) -> Result<WebSocket<T>, Error> {
        let accepted = match self.offer.accept(answer) {
            Ok(accepted) => accepted,
            Err(rejection) => return Err(self.reject(rejection).await),
        };
        let (reply, negotiated) = accepted;
        self.time.hold(write(&mut self.io, &reply)).await?;
        let connection = Connection::server(&self.config, negotiated);
        trace::opened(&connection);
        Ok(WebSocket::from_parts(self.io, connection, self.input))
    }

    /// Refuses the connection; gives the rejection back as the error that it is, or why it could not be sent.
    pub async fn reject(mut self, rejection: Rejection) -> Error {
        refuse(&mut self.io, &mut self.time, rejection).await
    }
}

/// How much time the opening handshake has.
#[derive(Debug)]
struct Time {
    clock: Clock,
    limit: Duration,
}

impl Time {
    /// What `work` gives, unless the time is over before.
    async fn hold<R>(&mut self, work: impl Future<Output = io::Result<R>>) -> Result<R, Error> {
        let done = self.clock.within(self.limit, work).await.ok_or(TimedOut::Handshake)?;
        Ok(done?)
    }
}

async fn refuse<T: AsyncRead + AsyncWrite + Unpin>(
    io: &mut T,
    time: &mut Time,
    rejection: Rejection,
) -> Error {
    trace::rejected(&rejection);
    if let Err(error) = time.hold(write(io, &rejection.response())).await {
        return error;
    }
    // The reply is with the system; what follows only keeps a reset from overtaking it.
    let _ = time.hold(drain(io)).await;
    rejection.into()
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, mut reply: &[u8]) -> io::Result<()> {
    io.write_all_buf(&mut reply).await?;
    io.flush().await
}

/// Shuts down and reads to the end of the stream: closing it with bytes unread resets it, and the reply may be lost.
async fn drain<T: AsyncRead + AsyncWrite + Unpin>(io: &mut T) -> io::Result<()> {
    io.shutdown().await?;
    let mut ignored = BytesMut::with_capacity(1024);
    while io.read_buf(&mut ignored).await? > 0 {
        ignored.clear();
    }
    Ok(())
}
