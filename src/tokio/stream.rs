//! `Stream` and `Sink`, for combinators. Feature `futures`.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::tokio::io::{AsyncRead, AsyncWrite};
use futures_core::Stream;
use futures_sink::Sink;

use super::{
    Error, Receiver, Sender, WebSocket,
    drive::Driver,
    wakers::{SENDING, Until},
};
use crate::{event::Message, frame::CloseFrame};

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

/// Queues messages, one of which it keeps until there is room, and closes with 1000.
impl<T: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Sender<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(message) = self.next.take() else { return Poll::Ready(Ok(())) };
        let (lane, mut next) = (Some(self.lane), Some(message));
        let accepted = self.own_line().poll(Until::Room(lane), cx, |driver, cx| {
            driver.poll_accept(lane, cx, |connection| next.take().map_or(Ok(()), |it| connection.send(it)))
        });
        self.next = next;
        accepted.map_ok(|_| ())
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.next = Some(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.as_mut().poll_ready(cx))?;
        self.own_line().poll(Until::Sent(u64::MAX), cx, |driver, cx| driver.poll_sent(u64::MAX, cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.as_mut().poll_ready(cx))?;
        self.start_close(CloseFrame::NORMAL);
        self.own_line()
            .poll(Until::Over, cx, |driver, cx| driver.poll_over(cx).map(|_| driver.pump.outcome()))
    }
}
