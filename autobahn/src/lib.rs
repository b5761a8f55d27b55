//! What the server and the client have in common: under the Autobahn test suite, both echo.

use sansocket::tokio::{Error, WebSocket};
use tokio::net::TcpStream;

/// How messages are taken and given back.
#[derive(Clone, Copy, Debug)]
pub enum View {
    /// Message by message.
    Whole,
    /// Chunk by chunk, each as it arrives.
    Chunks,
}

impl View {
    /// The view that `--view` names.
    ///
    /// # Errors
    ///
    /// There is no such view.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "whole" => Ok(Self::Whole),
            "chunks" => Ok(Self::Chunks),
            _ => Err(format!("no such view: {name}")),
        }
    }

    /// Sends everything back until the connection is over. What came together leaves together, when `recv` next waits.
    ///
    /// # Errors
    ///
    /// Why the connection ended other than by a closing handshake.
    pub async fn echo(self, mut websocket: WebSocket<TcpStream>) -> Result<(), Error> {
        match self {
            Self::Whole => {
                while let Some(message) = websocket.recv().await? {
                    websocket.feed(message).await?;
                }
            }
            Self::Chunks => {
                while let Some(chunk) = websocket.recv_chunk().await? {
                    websocket.feed_chunk(chunk).await?;
                }
            }
        }
        Ok(())
    }
}
