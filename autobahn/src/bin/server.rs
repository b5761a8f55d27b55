//! An echo server, for the suite's fuzzing client: `server whole|chunks`. Prints its address first.

use std::{env, error::Error};

use sansocket::{
    Config,
    deflate::Params,
    handshake::{Answer, OriginPolicy},
    tokio::accept_with,
};
use sansocket_autobahn::View;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let view = View::parse(&env::args().nth(1).ok_or("usage: server whole|chunks")?)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream, view).await {
                // Breaches are what the suite is about, and it judges what comes of them.
                eprintln!("{error}");
            }
        });
    }
}

async fn serve(stream: TcpStream, view: View) -> Result<(), sansocket::tokio::Error> {
    stream.set_nodelay(true)?;
    let answer = Answer::new().origin(OriginPolicy::any()).deflate(Params::new());
    view.echo(accept_with(stream, &Config::new(), |_| Ok(answer)).await?).await
}
