//! The server's side of the opening handshake, over a stream. RFC 6455 §4.2.

use core::{
    borrow::Borrow,
    future::Future,
    pin::pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::{boxed::Box, io};

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use bytes::BytesMut;

use super::{Error, READ, WebSocket, block, clock::Clock, trace};
use crate::{
    config::{Config, Limits, Negotiated},
    connection::Connection,
    error::TimedOut,
    handshake::{Answer, Offer, Rejection, Reply, ServerHandshake},
};

/// Accepts a connection with the default [`Config`] and [`Answer`]: pages of other hosts are refused.
///
/// # Errors
///
/// [`Error::Rejected`] once a bad request has been answered, [`Error::TimedOut`] after
/// [`Config::handshake_timeout`], [`Error::Vanished`] and [`Error::Io`].
pub async fn accept<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> Result<WebSocket<T>, Error> {
    Box::pin(open(io, Config::default(), |_| Ok(Answer::default()))).await
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
    config: impl Borrow<Config>,
    answer: impl FnOnce(&Offer) -> Result<Answer, Rejection>,
) -> Result<WebSocket<T>, Error> {
    let mut opening = Opening::new(io, config.borrow());
    let offer = opening.receive(&config.borrow().limits).await?;
    let accepted = answer(&offer).and_then(|answer| offer.accept(&answer));
    drop(offer);
    let negotiated = opening.answer(accepted).await?;
    Ok(opening.end(config.borrow(), negotiated))
}

/// Receives what a client offers, for a server that needs time, or other tasks, to answer it.
///
/// A bad request is answered here. The deadline of the opening handshake goes on until the answer is written.
///
/// # Errors
///
/// As [`accept`].
pub async fn receive_offer<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    config: &Config,
) -> Result<Incoming<T>, Error> {
    let mut opening = Opening::new(io, config);
    let offer = opening.receive(&config.limits).await?;
    Ok(Incoming { opening, offer, config: config.clone() })
}

/// A client that waits for an answer.
#[derive(Debug)]
pub struct Incoming<T> {
    opening: Opening<T>,
    offer: Offer,
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
        let negotiated = self.opening.answer(self.offer.accept(answer)).await?;
        Ok(self.opening.end(&self.config, negotiated))
    }

    /// Refuses the connection; gives the rejection back as the error that it is, or why it could not be sent.
    pub async fn reject(mut self, rejection: Rejection) -> Error {
        self.opening.refuse(rejection).await
    }
}

/// The stream of an opening handshake. Its steps borrow it, so that it has one place and is never moved.
#[derive(Debug)]
struct Opening<T> {
    io: T,
    input: BytesMut,
    time: Time,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Opening<T> {
    fn new(io: T, config: &Config) -> Self {
        let time = Time { clock: Clock::new(), limit: config.handshake_timeout };
        Self { io, input: BytesMut::new(), time }
    }

    async fn receive(&mut self, limits: &Limits) -> Result<Offer, Error> {
        let mut handshake = ServerHandshake::new(limits);
        let rejection = loop {
            let is_first = self.input.is_empty();
            let Self { io, input, time } = self;
            if time.hold(|cx| poll_read(io, input, cx)).await? == 0 {
                return Err(Error::Vanished);
            }
            match handshake.receive(input) {
                Ok(Some(offer)) => {
                    block::give_back(input);
                    return Ok(offer);
                }
                Ok(None) if is_first => block::give_back(input),
                Ok(None) => {}
                Err(rejection) => break rejection,
            }
        };
        Err(Box::pin(self.refuse(rejection)).await)
    }

    async fn answer(
        &mut self,
        accepted: Result<(Reply, Negotiated), Rejection>,
    ) -> Result<Negotiated, Error> {
        match accepted {
            Ok((reply, negotiated)) => self.write(&reply).await.map(|()| negotiated),
            Err(rejection) => Err(Box::pin(self.refuse(rejection)).await),
        }
    }

    async fn write(&mut self, mut reply: &[u8]) -> Result<(), Error> {
        let Self { io, time, .. } = self;
        time.hold(|cx| poll_write(io, &mut reply, cx)).await
    }

    async fn refuse(&mut self, rejection: Rejection) -> Error {
        trace::rejected(&rejection);
        if let Err(error) = self.write(&rejection.response()).await {
            return error;
        }
        // The reply is with the system; what follows only keeps a reset from overtaking it.
        let mut drained = pin!(drain(&mut self.io));
        let _ = self.time.hold(|cx| drained.as_mut().poll(cx)).await;
        rejection.into()
    }

    fn end(self, config: &Config, negotiated: Negotiated) -> WebSocket<T> {
        let connection = Connection::server(config, negotiated);
        trace::opened(&connection);
        WebSocket::from_parts(self.io, connection, self.input)
    }
}

/// How much time the opening handshake has.
#[derive(Debug)]
struct Time {
    clock: Clock,
    limit: Duration,
}

impl Time {
    /// What `poll` gives, unless the time is over before.
    async fn hold<R>(
        &mut self,
        poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Result<R, Error> {
        Ok(self.clock.within(self.limit, poll).await.ok_or(TimedOut::Handshake)??)
    }
}

/// Reads into the block of the thread, as most heads come whole: whoever waits for the first byte holds no buffer, and a
/// head that comes in pieces has one of its own, so that each piece is copied once.
fn poll_read<T: AsyncRead + Unpin>(
    io: &mut T,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if !input.is_empty() {
        input.reserve(READ);
        return pin!(io.read_buf(input)).poll(cx);
    }
    block::borrow(input, 0);
    let read = pin!(io.read_buf(input)).poll(cx);
    if read.is_pending() {
        block::give_back(input);
    }
    read
}

fn poll_write<T: AsyncWrite + Unpin>(
    io: &mut T,
    reply: &mut &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    ready!(pin!(io.write_all_buf(reply)).poll(cx))?;
    pin!(io.flush()).poll(cx)
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
