use sansocket_peers::{LIMIT, Runtime, echo_batches, serve};
use tokio::task::unconstrained;
use tokio_websockets::{Config, Limits, Message, ServerBuilder};

fn main() {
    serve(Runtime::Io, |stream| {
        unconstrained(async {
            let (_request, websocket) = ServerBuilder::new()
                .config(Config::default().frame_size(usize::MAX))
                .limits(Limits::default().max_payload_len(Some(LIMIT)))
                .accept(stream)
                .await?;
            Ok(echo_batches(websocket, |message: &Message| message.is_text() || message.is_binary()).await?)
        })
    });
}
