//! One file as one message, of any size, in constant memory at both ends.
//!
//! `cargo run --example transfer -- receive 127.0.0.1:9002 COPY` waits for a file, and
//! `cargo run --example transfer -- send ws://127.0.0.1:9002/ FILE` sends one. A transfer that breaks off leaves no copy: a
//! message that is not finished is an error at both ends.

use std::{env, error::Error, process::ExitCode};

use sansocket::{
    CloseCode, CloseFrame, Config, Kind,
    handshake::{Answer, Request},
    tokio::{Ended, accept_with, connect_with},
};
use tokio::{
    fs::{self, File},
    io::{AsyncBufRead, AsyncWriteExt, copy, copy_buf},
    net::TcpListener,
};

const USAGE: &str = "usage: transfer receive HOST:PORT FILE | transfer send ws://HOST[:PORT]/ FILE";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["receive", address, path] => receive(address, path).await,
        ["send", uri, path] => send(uri, path).await,
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(bytes) => {
            println!("{bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("transfer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes one file from the first that comes.
async fn receive(address: &str, path: &str) -> Result<u64, Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    println!("waiting at ws://{}/", listener.local_addr()?);
    let (stream, _) = listener.accept().await?;
    let config = Config::new().max_message(u64::MAX);
    let mut websocket = accept_with(stream, &config, |_| Ok(Answer::default())).await?;
    let mut reader = websocket.recv_reader().await?.ok_or("closed without a file")?;
    let part = format!("{path}.part");
    match store(&mut reader, &part).await {
        Ok(bytes) => {
            fs::rename(&part, path).await?;
            websocket.close(CloseFrame::NORMAL).await;
            Ok(bytes)
        }
        Err(error) => {
            fs::remove_file(&part).await?;
            Err(error.into())
        }
    }
}

async fn store(reader: &mut (impl AsyncBufRead + Unpin), path: &str) -> std::io::Result<u64> {
    let mut file = File::create(path).await?;
    let bytes = copy_buf(reader, &mut file).await?;
    file.flush().await?;
    Ok(bytes)
}

async fn send(uri: &str, path: &str) -> Result<u64, Box<dyn Error>> {
    let mut file = File::open(path).await?;
    let mut websocket = connect_with(Request::new(uri)?, &Config::new()).await?;
    let mut writer = websocket.writer(Kind::Binary).fragment(64 << 10);
    let bytes = copy(&mut file, &mut writer).await?;
    writer.finish().await?;
    match websocket.close(CloseFrame::NORMAL).await {
        Ended::Clean { received: Some(frame), .. } if frame.code() == CloseCode::NORMAL => Ok(bytes),
        ended => Err(format!("the other end did not take all: {ended:?}").into()),
    }
}
