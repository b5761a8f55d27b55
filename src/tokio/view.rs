//! How the machine is asked, and what of its answers is wanted.

use bytes::BytesMut;

use crate::{
    connection::Connection,
    error::ProtocolError,
    event::{Chunk, Event, Message},
};

/// How to receive, and what of it is asked for.
pub(super) struct View<D, R> {
    pub(super) receive: Receive<D>,
    pub(super) pick: fn(Event<D>) -> Option<R>,
}

/// One of the two ways to call the machine.
type Receive<D> = fn(&mut Connection, &mut BytesMut) -> Result<Option<Event<D>>, ProtocolError>;

pub(super) const MESSAGES: View<Message, Message> = View { receive: Connection::receive, pick: data };

pub(super) const CHUNKS: View<Chunk, Chunk> = View { receive: Connection::receive_chunk, pick: data };

pub(super) const EVENTS: View<Message, Event> = View { receive: Connection::receive, pick: Some };

/// Events without control frames.
pub(super) const DATA: View<Message, Event> =
    View { receive: Connection::receive, pick: |event| data(event).map(Event::Data) };

/// Events that want an answer, where the machine answers no pings.
pub(super) const QUESTIONS: View<Message, Event> = View { receive: Connection::receive, pick: question };

fn data<D>(event: Event<D>) -> Option<D> {
    match event {
        Event::Data(data) => Some(data),
        _ => None,
    }
}

fn question(event: Event) -> Option<Event> {
    matches!(event, Event::Data(_) | Event::Ping(_)).then_some(event)
}
