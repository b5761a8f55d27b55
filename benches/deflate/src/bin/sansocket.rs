use sansocket::{Compress, Compression, Config, deflate::Params, handshake::Answer, tokio::accept_with};
use sansocket_deflate_peers::{THRESHOLD, serve};

fn main() {
    serve(|stream, settings| async move {
        let mut params = Params::new();
        if !settings.takeover {
            params = params.server_no_context_takeover().client_no_context_takeover();
        }
        let compression = Compression::new(settings.level, Compress::Above(THRESHOLD));
        let config = Config::new().compression(compression);
        let answer = |_: &_| Ok(Answer::new().deflate(params));
        let mut websocket = accept_with(stream, &config, answer).await?;
        while let Some(message) = websocket.recv().await? {
            websocket.feed(message).await?;
        }
        Ok(())
    });
}
