//! A client that runs all cases of the suite's fuzzing server: `client whole|chunks ws://HOST:PORT AGENT`.

use std::{env, error::Error};

use sansocket::{
    Config,
    deflate::Params,
    handshake::Request,
    tokio::{WebSocket, connect_with},
};
use sansocket_autobahn::View;
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [view, url, agent] = &args[..] else {
        return Err("usage: client whole|chunks ws://HOST:PORT AGENT".into());
    };
    let view = View::parse(view)?;
    let mut count = connect(&format!("{url}/getCaseCount")).await?;
    let cases: usize = count.recv().await?.ok_or("no count")?.as_text().ok_or("no count")?.parse()?;
    count.close(None).await;
    println!("{cases} cases");
    for case in 1..=cases {
        let websocket = connect(&format!("{url}/runCase?case={case}&agent={agent}")).await?;
        if let Err(error) = view.echo(websocket).await {
            // Breaches are what the suite is about, and it judges what comes of them.
            eprintln!("{case}: {error}");
        }
    }
    // The suite writes the reports and then closes.
    let mut reports = connect(&format!("{url}/updateReports?agent={agent}")).await?;
    while reports.recv().await?.is_some() {}
    Ok(())
}

async fn connect(url: &str) -> Result<WebSocket<TcpStream>, sansocket::tokio::Error> {
    connect_with(Request::new(url)?.deflate(Params::new()), &Config::new()).await
}
