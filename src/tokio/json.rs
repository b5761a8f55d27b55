//! Values instead of messages: JSON, by way of serde. Feature `json`.

use std::{boxed::Box, error, fmt};

use ::tokio::io::{AsyncRead, AsyncWrite};
use serde::{Serialize, de::DeserializeOwned};

use super::{Error, Receiver, Sender, WebSocket};
use crate::event::Message;

impl<T: AsyncRead + AsyncWrite + Unpin> WebSocket<T> {
    /// Receives the next message as the value that it is in JSON; `None` when both ends have closed.
    ///
    /// ```no_run
    /// # async fn example(mut websocket: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> Result<(), sansocket::tokio::Error> {
    /// while let Some((name, age)) = websocket.recv_json::<(String, u8)>().await? {
    ///     websocket.send_json(&(name, age + 1)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Json`], with the message, if it is not JSON or not of this type: the connection goes on. Otherwise as
    /// [`recv`](Self::recv).
    pub async fn recv_json<V: DeserializeOwned>(&mut self) -> Result<Option<V>, Error> {
        self.recv().await?.map(value).transpose()
    }

    /// Sends a value as JSON, in a text message; returns when it is with the operating system.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] for a value that JSON cannot express: nothing is sent. Otherwise as [`send`](Self::send).
    pub async fn send_json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.send(message(value)?).await
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Receiver<T> {
    /// As [`WebSocket::recv_json`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv_json`].
    pub async fn recv_json<V: DeserializeOwned>(&mut self) -> Result<Option<V>, Error> {
        self.recv().await?.map(value).transpose()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sender<T> {
    /// As [`WebSocket::send_json`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_json`].
    pub async fn send_json(&self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.send(message(value)?).await
    }
}

fn value<V: DeserializeOwned>(message: Message) -> Result<V, Error> {
    message.json().map_err(|error| NotJson { message: Some(message), error }.into())
}

fn message(value: &(impl Serialize + ?Sized)) -> Result<Message, Error> {
    Message::from_json(value).map_err(|error| NotJson { message: None, error }.into())
}

/// A message that is not the value that was asked for, or a value that is no message.
#[derive(Debug)]
pub struct NotJson {
    /// The message that came; `None` where a value was to be sent.
    pub message: Option<Message>,
    /// What is wrong with it.
    pub error: serde_json::Error,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for NotJson {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<NotJson> for Error {
    fn from(error: NotJson) -> Self {
        Self::Json(Box::new(error))
    }
}
