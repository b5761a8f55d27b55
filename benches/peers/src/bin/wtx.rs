use sansocket_peers::{LIMIT, Runtime, open, serve};
use wtx::{
    collection::Vector,
    rng::{Xorshift64, simple_seed},
    web_socket::{OpCode, WebSocket, WebSocketBuffer, WebSocketPayloadOrigin},
};

fn main() {
    serve(Runtime::Io, |stream| async {
        open(&stream).await?;
        let random = Xorshift64::from(simple_seed());
        let mut websocket =
            WebSocket::<_, _, _, _, false>::new((), false, random, stream, WebSocketBuffer::new());
        // It excludes what it names.
        websocket.set_max_payload_len(LIMIT + 1);
        let (mut common, mut reader, mut writer) = websocket.split_mut();
        let mut buffer = Vector::new();
        loop {
            let mut frame =
                reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await?;
            match frame.op_code() {
                OpCode::Binary | OpCode::Text => writer.write_frame(&mut common, &mut frame).await?,
                OpCode::Close => return Ok(()),
                _ => {}
            }
        }
    });
}
