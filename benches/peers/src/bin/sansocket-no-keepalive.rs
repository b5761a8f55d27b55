use std::sync::LazyLock;

use sansocket::{Config, handshake::Answer, tokio::accept_with};
use sansocket_peers::{Runtime, serve};

static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::new().keepalive(None));

fn main() {
    serve(Runtime::Io, |stream| async {
        let mut websocket = accept_with(stream, &CONFIG, |_| Ok(Answer::default())).await?;
        while let Some(message) = websocket.recv().await? {
            websocket.feed(message).await?;
        }
        Ok(())
    });
}
