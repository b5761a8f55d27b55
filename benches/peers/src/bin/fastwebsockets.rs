use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket};
use sansocket_peers::{LIMIT, Runtime, open, serve};
use tokio::task::unconstrained;

fn main() {
    serve(Runtime::Io, |stream| {
        unconstrained(async {
            open(&stream).await?;
            let mut websocket = WebSocket::after_handshake(stream, Role::Server);
            websocket.set_writev(true);
            websocket.set_auto_close(true);
            websocket.set_auto_pong(true);
            // It excludes what it names.
            websocket.set_max_message_size(LIMIT + 1);
            let mut websocket = FragmentCollector::new(websocket);
            loop {
                let frame = websocket.read_frame().await?;
                match frame.opcode {
                    OpCode::Text | OpCode::Binary => websocket.write_frame(frame).await?,
                    OpCode::Close => return Ok(()),
                    _ => {}
                }
            }
        })
    });
}
