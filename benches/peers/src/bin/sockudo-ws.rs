use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use sansocket_peers::{LIMIT, Runtime, serve};
use sockudo_ws::{
    Config, Message, WebSocketStream,
    handshake::{build_response, generate_accept_key, parse_request},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() {
    serve(Runtime::All, |mut stream| async {
        let mut head = BytesMut::with_capacity(4096);
        loop {
            if stream.read_buf(&mut head).await? == 0 {
                return Err("the end".into());
            }
            if let Some((request, _)) = parse_request(&head)? {
                let response = build_response(&generate_accept_key(request.key), None, None);
                stream.write_all(&response).await?;
                break;
            }
        }
        let config = Config::builder().max_message_size(LIMIT).max_frame_size(LIMIT).build();
        let mut websocket = WebSocketStream::server(stream, config);
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
