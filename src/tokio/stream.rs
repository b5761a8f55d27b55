//! `Stream` and `Sink`, for combinators. Feature `futures`.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::tokio::io::{AsyncRead, AsyncWrite};
use futures_core::Stream;
use futures_sink::Sink;

use super::{
    Error, NotSent, Receiver, Sender, WebSocket,
    drive::Driver,
    wakers::{SENDING, Until},
};
use crate::{error::SendError, event::Message, frame::CloseFrame, send::Outgoing};

/// A sender as a sink.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    /// What there was no room for when it was sent.
    kept: Option<Outgoing>,
    /// Where the last message ends in the output.
    position: u64,
}

/// Messages until both ends have closed. An error is the last item.
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<T> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.told {
            return Poll::Ready(None);
        }
        let received = ready!(self.receiving().poll(Until::Received, cx, Driver::poll_message)).transpose();
        self.told = !matches!(received, Some(Ok(_)));
        Poll::Ready(received)
    }
}

/// Messages until both ends have closed. An error is the last item.
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for Receiver<T> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.told {
            return Poll::Ready(None);
        }
        let received = ready!(self.line().poll(Until::Received, cx, Driver::poll_message)).transpose();
        self.told = !matches!(received, Some(Ok(_)));
        Poll::Ready(received)
    }
}

/// Queues messages, and closes with 1000.
impl<T: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let lane = Some(SENDING);
        let accepted =
            self.sending().poll(Until::Room(lane), cx, |driver, cx| driver.poll_accept(lane, cx, |_| Ok(())));
        accepted.map_ok(|_| ())
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Ok(self.driver.pump.connection.send(message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let position = self.driver.pump.position();
        self.sending().poll(Until::Sent(position), cx, |driver, cx| driver.poll_sent(position, cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.start_close(CloseFrame::NORMAL);
        self.sending()
            .poll(Until::Over, cx, |driver, cx| driver.poll_close(cx).map(|_| driver.pump.outcome()))
    }
}

/// Queues messages, and closes with 1000. Where another sender takes the room between being ready and sending, the message
/// is kept until it is asked again. A flush waits for what was sent through the sink.
impl<T: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Sender<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (lane, mut kept) = (Some(self.lane), self.sink.kept.take());
        let accepted = self.own_line().poll(Until::Room(lane), cx, |driver, cx| {
            driver.poll_accept(lane, cx, |connection| match kept.take() {
                Some(message) => connection.send(message),
                None => connection.check_send(),
            })
        });
        self.sink.kept = kept;
        accepted.map_ok(|position| self.sink.position = position)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let sent = self.split.with(|driver| driver.try_send(message.into()).map(|()| driver.pump.position()));
        match sent {
            Ok(position) => self.sink.position = position,
            Err(NotSent { error: SendError::Closed, .. }) => return Err(SendError::Closed.into()),
            Err(NotSent { message, .. }) => self.sink.kept = Some(message),
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.as_mut().poll_kept(cx))?;
        let position = self.sink.position;
        self.own_line().poll(Until::Sent(position), cx, |driver, cx| driver.poll_sent(position, cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.as_mut().poll_kept(cx))?;
        self.start_close(CloseFrame::NORMAL);
        self.own_line()
            .poll(Until::Over, cx, |driver, cx| driver.poll_over(cx).map(|_| driver.pump.outcome()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sender<T> {
    fn poll_kept(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.sink.kept.is_some() { self.poll_ready(cx) } else { Poll::Ready(Ok(())) }
    }
}
