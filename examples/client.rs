//! A client for any `ws://` address, line by line: `cargo run --example client -- ws://127.0.0.1:9001/ws`.
//!
//! Each line of the standard input is sent as a text message; each message that comes is printed. Ctrl-D closes.

use std::{env, error::Error, process::ExitCode};

use sansocket::{
    CloseFrame, Config, Message,
    handshake::Request,
    tokio::{Ended, connect_with},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

const USAGE: &str = "usage: client [--protocol NAME]... [--header 'NAME: VALUE']... ws://HOST[:PORT][/PATH]";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn Error>> {
    let request = parse(env::args().skip(1))?;
    let mut websocket = connect_with(request, &Config::new()).await?;
    match websocket.subprotocol() {
        Some(subprotocol) => eprintln!("connected, speaking {subprotocol}"),
        None => eprintln!("connected"),
    }

    let mut lines = BufReader::new(stdin()).lines();
    let mut typing = true;
    loop {
        tokio::select! {
            line = lines.next_line(), if typing => match line? {
                Some(line) => websocket.send(line).await?,
                None => {
                    typing = false;
                    websocket.start_close(CloseFrame::NORMAL);
                }
            },
            received = websocket.recv() => match received? {
                Some(Message::Text(text)) => println!("{text}"),
                Some(Message::Binary(data)) => println!("{} bytes: {data:?}", data.len()),
                None => break,
            },
        }
    }
    if let Some(Ended::Clean { received: Some(frame), .. }) = websocket.ended() {
        eprintln!("closed: {} {}", frame.code(), frame.reason());
    }
    // The standard input is read by a thread that would keep the program alive until the next line.
    std::process::exit(0)
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Request, Box<dyn Error>> {
    let mut uri = None;
    let mut protocols = Vec::new();
    let mut headers = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--protocol" => protocols.push(args.next().ok_or(USAGE)?),
            "--header" => headers.push(args.next().ok_or(USAGE)?),
            _ if arg.starts_with('-') || uri.is_some() => return Err(USAGE.into()),
            _ => uri = Some(arg),
        }
    }
    let mut request = Request::new(&uri.ok_or(USAGE)?)?;
    for protocol in protocols {
        request = request.subprotocol(&protocol)?;
    }
    for header in headers {
        let (name, value) = header.split_once(':').ok_or(USAGE)?;
        request = request.header(name, value.trim())?;
    }
    Ok(request)
}
