//! A hub as in the example of the library: each member has a channel, and what comes out of it is forwarded.

use std::sync::{Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use sansocket_peers::{LIMIT, Runtime, serve};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};

static MEMBERS: Mutex<Vec<UnboundedSender<Message>>> = Mutex::new(Vec::new());

fn main() {
    serve(Runtime::Io, |stream| async {
        let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
        let (mut outgoing, incoming) = accept_async_with_config(stream, Some(config)).await?.split();
        let (sender, mut receiver) = unbounded_channel();
        MEMBERS.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        let broadcast = incoming.try_for_each(|message| {
            for member in &*MEMBERS.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = member.send(message.clone());
            }
            future::ok(())
        });
        let forward = async {
            while let Some(message) = receiver.recv().await {
                outgoing.send(message).await?;
            }
            Ok(())
        };
        let ended: Result<(), Error> = tokio::select! {
            ended = broadcast => ended,
            ended = forward => ended,
        };
        Ok(ended?)
    });
}
