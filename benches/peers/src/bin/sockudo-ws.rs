use futures_util::{SinkExt, StreamExt};
use sansocket_peers::{LIMIT, Runtime, serve};
use sockudo_ws::{Config, Message, Role, WebSocketStream, handshake::server_handshake};

fn main() {
    serve(Runtime::All, |mut stream| async {
        let leftover = server_handshake(&mut stream).await?.leftover;
        let config = Config::builder().max_message_size(LIMIT).max_frame_size(LIMIT).build();
        let mut websocket = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config, leftover);
        // Its reading flushes what was fed, before it waits.
        while let Some(message) = websocket.next().await {
            match message? {
                message @ (Message::Text(_) | Message::Binary(_)) => websocket.feed(message).await?,
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
        Ok(())
    });
}
