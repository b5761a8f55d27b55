use futures_util::io::{BufReader, BufWriter};
use sansocket_peers::{LIMIT, Runtime, serve};
use soketto::{
    Data,
    handshake::{Server, server::Response},
};
use tokio_util::compat::TokioAsyncReadCompatExt;

fn main() {
    serve(Runtime::Io, |stream| async {
        let mut server = Server::new(BufReader::new(BufWriter::new(stream.compat())));
        let key = server.receive_request().await?.key();
        server.send_response(&Response::Accept { key, protocol: None }).await?;
        let mut builder = server.into_builder();
        builder.set_max_message_size(LIMIT);
        builder.set_max_frame_size(LIMIT);
        let (mut sender, mut receiver) = builder.finish();
        let mut message = Vec::new();
        loop {
            message.clear();
            match receiver.receive_data(&mut message).await? {
                Data::Binary(_) => sender.send_binary_mut(&mut message).await?,
                Data::Text(_) => sender.send_text(simdutf8::basic::from_utf8(&message)?).await?,
            }
            sender.flush().await?;
        }
    });
}
