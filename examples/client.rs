//! A client for any `ws://` address, line by line: `cargo run --example client -- ws://127.0.0.1:9001/ws`.
//!
//! Each line of the standard input is sent as a text message, and `/ping` as a ping; what comes is printed, pings, pongs
//! and the time that they took included. Ctrl-D closes.

use std::{env, error::Error, process::ExitCode};

use sansocket::{
    CloseFrame, Config, Connection, Event, Message,
    handshake::Request,
    tokio::{Ended, Receiver, Sender, connect_with},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    net::TcpStream,
};

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
    let websocket = connect_with(request, &Config::new()).await?;
    match websocket.subprotocol() {
        Some(subprotocol) => eprintln!("connected, speaking {subprotocol}"),
        None => eprintln!("connected"),
    }

    let (sender, receiver) = websocket.split();
    tokio::spawn(speak(sender.clone()));
    listen(receiver).await?;
    if let Some(Ended::Clean { received: Some(frame), .. }) = sender.ended() {
        eprintln!("closed: {} {}", frame.code(), frame.reason());
    }
    let (received, sent) = sender.inspect(|connection| (connection.received(), connection.sent()));
    eprintln!("{} messages received, {} sent", received.messages, sent.messages);
    // The standard input is read by a thread that would keep the program alive until the next line.
    std::process::exit(0)
}

/// Sends what is typed, until there is no more.
async fn speak(sender: Sender<TcpStream>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.as_str() {
            "/ping" => sender.ping("client").await?,
            _ => sender.send(line).await?,
        }
    }
    sender.start_close(CloseFrame::NORMAL);
    Ok(())
}

/// Prints what comes, until the connection is over.
async fn listen(mut receiver: Receiver<TcpStream>) -> Result<(), Box<dyn Error>> {
    while let Some(event) = receiver.recv_event().await? {
        match event {
            Event::Data(Message::Text(text)) => println!("{text}"),
            Event::Data(Message::Binary(data)) => println!("{} bytes: {data:?}", data.len()),
            Event::Ping(payload) => eprintln!("ping {payload:?}"),
            Event::Pong(payload) => {
                let took = receiver.inspect(Connection::round_trip);
                eprintln!("pong {payload:?} after {:?}", took.unwrap_or_default());
            }
            _ => {}
        }
    }
    Ok(())
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
