use sansocket::tokio::accept;
use sansocket_peers::{Runtime, serve};

fn main() {
    serve(Runtime::Io, |stream| async {
        let mut websocket = accept(stream).await?;
        while let Some(message) = websocket.recv().await? {
            websocket.feed(message).await?;
        }
        Ok(())
    });
}
