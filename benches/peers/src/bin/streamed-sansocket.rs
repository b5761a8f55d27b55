//! Takes messages of any size as they arrive, and answers each with its length.

use sansocket::{Config, handshake::Answer, tokio::accept_with};
use sansocket_peers::{Runtime, serve};
use tokio::io::{copy_buf, sink};

fn main() {
    serve(Runtime::All, |stream| async {
        let config = Config::new().max_message(u64::MAX);
        let mut websocket = accept_with(stream, &config, |_| Ok(Answer::default())).await?;
        while let Some(mut reader) = websocket.recv_reader().await? {
            let len = copy_buf(&mut reader, &mut sink()).await?;
            websocket.send(len.to_be_bytes().to_vec()).await?;
        }
        Ok(())
    });
}
