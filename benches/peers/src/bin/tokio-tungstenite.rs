use sansocket_peers::{LIMIT, Runtime, echo_batches, serve};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

fn main() {
    serve(Runtime::Io, |stream| async {
        let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
        let websocket = accept_async_with_config(stream, Some(config)).await?;
        Ok(echo_batches(websocket, |message: &Message| message.is_text() || message.is_binary()).await?)
    });
}
