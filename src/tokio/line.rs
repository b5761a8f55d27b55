//! A task's way to the driver: straight, or through the lock of the halves.

use core::{
    future::poll_fn,
    task::{Context, Poll},
};

use ::tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Error,
    drive::Driver,
    split::Split,
    wakers::{Place, Until},
};
use crate::{connection::Connection, error::SendError};

/// One task's way to the driver. A task that stops waiting may leave its place as it is, at the cost of a wake-up: who has
/// the same place next takes it over.
#[derive(Debug)]
pub(super) struct Line<'a, T> {
    way: Way<'a, T>,
    place: Place,
    waits: bool,
}

#[derive(Debug)]
enum Way<'a, T> {
    Straight(&'a mut Driver<T>),
    Locked(&'a Split<T>),
}

impl<'a, T> Line<'a, T> {
    pub(super) const fn straight(driver: &'a mut Driver<T>, place: Place) -> Self {
        Self { way: Way::Straight(driver), place, waits: false }
    }

    pub(super) const fn locked(split: &'a Split<T>, place: Place) -> Self {
        Self { way: Way::Locked(split), place, waits: false }
    }

    /// Does something that does not wait.
    pub(super) fn with<R>(&mut self, call: impl FnOnce(&mut Driver<T>) -> R) -> R {
        match &mut self.way {
            Way::Straight(driver) => {
                let (called, due) = driver.with(call);
                due.wake();
                called
            }
            Way::Locked(split) => split.with(call),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Line<'_, T> {
    /// Polls the driver for this task.
    pub(super) fn poll<R>(
        &mut self,
        mut until: Until,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Driver<T>, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll_until(&mut until, cx, |driver, _, cx| poll(driver, cx))
    }

    fn poll_until<R>(
        &mut self,
        until: &mut Until,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Driver<T>, &mut Until, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let (polled, due) = match &mut self.way {
            Way::Straight(driver) => driver.poll(self.place, until, cx, poll),
            Way::Locked(split) => split.lock().poll(self.place, until, cx, poll),
        };
        self.waits = polled.is_pending();
        due.wake();
        polled
    }

    /// What the driver gives when it is ready.
    pub(super) async fn wait<R>(
        self,
        until: Until,
        mut poll: impl FnMut(&mut Driver<T>, &mut Context<'_>) -> Poll<R>,
    ) -> R {
        let mut stay = Stay(self);
        poll_fn(|cx| stay.0.poll(until, cx, &mut poll)).await
    }

    /// Queues something as soon as there is room; returns the position where it ends.
    pub(super) fn poll_accept(
        &mut self,
        lane: Option<Place>,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Poll<Result<u64, Error>> {
        self.poll(Until::Room(lane), cx, |driver, cx| driver.poll_accept(lane, cx, accept))
    }

    pub(super) fn poll_sent(&mut self, position: u64, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(Until::Sent(position), cx, |driver, cx| driver.poll_sent(position, cx))
    }

    /// Queues something as soon as there is room.
    pub(super) async fn feed<M>(
        self,
        lane: Option<Place>,
        message: M,
        accept: fn(&mut Connection, M) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        let mut accept = once(message, accept);
        let mut stay = Stay(self);
        poll_fn(|cx| stay.0.poll_accept(lane, cx, &mut accept)).await?;
        Ok(())
    }

    /// Queues something as soon as there is room, and waits until it is with the system.
    pub(super) async fn send<M>(
        self,
        lane: Option<Place>,
        message: M,
        accept: fn(&mut Connection, M) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        let mut accept = once(message, accept);
        let (mut stay, mut until) = (Stay(self), Until::Room(lane));
        // In one go: a message that leaves at once is nothing to wake others for.
        poll_fn(|cx| {
            stay.0.poll_until(&mut until, cx, |driver, until, cx| {
                driver.poll_send(lane, until, cx, &mut accept)
            })
        })
        .await
    }

    /// Waits until all that is queued is with the system.
    pub(super) async fn flush(self) -> Result<(), Error> {
        let mut stay = Stay(self);
        let position = stay.0.with(|driver| driver.pump.position());
        poll_fn(|cx| stay.0.poll_sent(position, cx)).await
    }
}

/// Takes the message when it is first called.
pub(super) fn once<M>(
    message: M,
    accept: impl Fn(&mut Connection, M) -> Result<(), SendError>,
) -> impl FnMut(&mut Connection) -> Result<(), SendError> {
    let mut message = Some(message);
    move |connection| message.take().map_or(Ok(()), |it| accept(connection, it))
}

/// A task in its place, which it leaves when it stops waiting.
#[derive(Debug)]
struct Stay<'a, T>(Line<'a, T>);

impl<T> Drop for Stay<'_, T> {
    fn drop(&mut self) {
        let Line { way, place, waits } = &mut self.0;
        if *waits {
            let left = match way {
                Way::Straight(driver) => driver.leave(*place),
                Way::Locked(split) => split.lock().leave(*place),
            };
            drop(left);
        }
    }
}
