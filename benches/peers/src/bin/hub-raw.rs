//! No WebSocket but for the handshake: what one member sends is written to all of them, one after the other, by the task that has read it. With
//! `--tasks` each member has a channel, and a task of its own that writes what comes out of it.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use sansocket_peers::{Runtime, asked, open, serve, write};
use tokio::{
    net::TcpStream,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

enum Member {
    Stream(Arc<TcpStream>),
    Task(UnboundedSender<Bytes>),
}

static MEMBERS: Mutex<Vec<Member>> = Mutex::new(Vec::new());

fn main() {
    serve(Runtime::Io, |stream| async {
        open(&stream).await?;
        let stream = Arc::new(stream);
        join(&stream);
        let mut bytes = [0; 1024];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(read) => broadcast(&bytes[..read])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    });
}

fn join(stream: &Arc<TcpStream>) {
    let member = if asked("--tasks") {
        let (sender, mut receiver) = unbounded_channel::<Bytes>();
        let stream = stream.clone();
        tokio::spawn(async move {
            while let Some(bytes) = receiver.recv().await {
                write(&stream, &bytes).await?;
            }
            Ok::<_, std::io::Error>(())
        });
        Member::Task(sender)
    } else {
        Member::Stream(stream.clone())
    };
    MEMBERS.lock().unwrap_or_else(PoisonError::into_inner).push(member);
}

fn broadcast(bytes: &[u8]) -> Result<(), Failure> {
    let shared = Bytes::copy_from_slice(bytes);
    for member in &*MEMBERS.lock().unwrap_or_else(PoisonError::into_inner) {
        match member {
            // There is room: the load has read what was sent before.
            Member::Stream(stream) if stream.try_write(bytes)? < bytes.len() => return Err("no room".into()),
            Member::Stream(_) => {}
            Member::Task(sender) => sender.send(shared.clone())?,
        }
    }
    Ok(())
}
