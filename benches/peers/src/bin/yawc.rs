use futures_util::StreamExt;
use sansocket_peers::{LIMIT, Runtime, echo_batches, open, serve};
use yawc::{Frame, OpCode, Options, Role, WebSocket, WebSocketError};

fn main() {
    serve(Runtime::Io, |stream| async {
        open(&stream).await?;
        // Its limits exclude what they name.
        let options = Options::default().with_utf8().with_limits(LIMIT + 1, LIMIT + 1);
        let websocket = WebSocket::from_stream(stream, Role::Server, options)?.map(Ok::<_, WebSocketError>);
        let is_data = |frame: &Frame| matches!(frame.opcode(), OpCode::Text | OpCode::Binary);
        Ok(echo_batches(websocket, is_data).await?)
    });
}
