use sansocket::{Config, handshake::Answer, tokio::accept_with};
use sansocket_peers::{Runtime, serve};

fn main() {
    serve(Runtime::Io, |stream| async {
        let config = Config::new().keepalive(None);
        let mut websocket = accept_with(stream, &config, |_| Ok(Answer::default())).await?;
        while let Some(message) = websocket.recv().await? {
            websocket.feed(message).await?;
        }
        Ok(())
    });
}
