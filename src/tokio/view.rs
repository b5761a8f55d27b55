//! How the machine is asked, and what of its answers is wanted.

use bytes::BytesMut;

use crate::{
    connection::Connection,
    error::ProtocolError,
    event::{Chunk, Event, Message},
};

/// How to receive, and what of it is asked for.
pub(super) trait View {
    type Data;
    type Wanted;

    /// One of the two ways to call the machine.
    const RECEIVE: Receive<Self::Data>;

    fn pick(event: Event<Self::Data>) -> Option<Self::Wanted>;
}

type Receive<D> = fn(&mut Connection, &mut BytesMut) -> Result<Option<Event<D>>, ProtocolError>;

pub(super) struct Messages;

impl View for Messages {
    type Data = Message;
    type Wanted = Message;

    const RECEIVE: Receive<Message> = Connection::receive;

    fn pick(event: Event) -> Option<Message> {
        data(event)
    }
}

pub(super) struct Chunks;

impl View for Chunks {
    type Data = Chunk;
    type Wanted = Chunk;

    const RECEIVE: Receive<Chunk> = Connection::receive_chunk;

    fn pick(event: Event<Chunk>) -> Option<Chunk> {
        data(event)
    }
}

pub(super) struct Events;

impl View for Events {
    type Data = Message;
    type Wanted = Event;

    const RECEIVE: Receive<Message> = Connection::receive;

    fn pick(event: Event) -> Option<Event> {
        Some(event)
    }
}

/// Events without control frames.
pub(super) struct Data;

impl View for Data {
    type Data = Message;
    type Wanted = Event;

    const RECEIVE: Receive<Message> = Connection::receive;

    fn pick(event: Event) -> Option<Event> {
        data(event).map(Event::Data)
    }
}

/// Events that want an answer, where the machine answers no pings.
pub(super) struct Questions;

impl View for Questions {
    type Data = Message;
    type Wanted = Event;

    const RECEIVE: Receive<Message> = Connection::receive;

    fn pick(event: Event) -> Option<Event> {
        matches!(event, Event::Data(_) | Event::Ping(_)).then_some(event)
    }
}

fn data<D>(event: Event<D>) -> Option<D> {
    match event {
        Event::Data(data) => Some(data),
        _ => None,
    }
}
