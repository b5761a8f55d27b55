use futures_util::{SinkExt, StreamExt};
use sansocket_deflate_peers::{LIMIT, THRESHOLD, open, serve};
use sockudo_ws::{CompressedWebSocketStream, Config, DeflateConfig, Message};

fn main() {
    serve(|mut stream, settings| async move {
        open(&mut stream, settings).await?;
        let deflate = DeflateConfig {
            server_no_context_takeover: !settings.takeover,
            client_no_context_takeover: !settings.takeover,
            compression_level: settings.level.into(),
            compression_threshold: THRESHOLD,
            ..DeflateConfig::default()
        };
        let config = Config::builder().max_message_size(LIMIT).max_frame_size(LIMIT).build();
        let mut websocket = CompressedWebSocketStream::server(stream, config, deflate);
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
