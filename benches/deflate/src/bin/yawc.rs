use std::sync::LazyLock;

use futures_util::{SinkExt, StreamExt};
use sansocket_deflate_peers::{LIMIT, THRESHOLD, open, serve};
use yawc::{CompressionLevel, DeflatePool, OpCode, Options, Role, WebSocket};

static POOL: LazyLock<DeflatePool> = LazyLock::new(|| DeflatePool::new(64));

fn main() {
    serve(|mut stream, settings| async move {
        open(&mut stream, settings).await?;
        let mut options = Options::default()
            .with_compression_level(CompressionLevel::new(settings.level.into()))
            .with_compression_threshold(THRESHOLD)
            .with_utf8()
            .with_limits(LIMIT + 1, LIMIT + 1);
        if !settings.takeover {
            // As its documentation has it for many idle connections.
            options = options
                .server_no_context_takeover()
                .client_no_context_takeover()
                .with_deflate_pool(POOL.clone())
                .with_read_buffer_capacity(1024)
                .with_write_buffer_capacity(1024);
        }
        let agreed = Some(settings.extension());
        let mut websocket = WebSocket::from_stream_with_extensions(stream, Role::Server, agreed, options)?;
        while let Some(frame) = websocket.next().await {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                websocket.send(frame).await?;
            }
        }
        Ok(())
    });
}
