//! A hub as in `examples/chat`: a message is prepared once, and posted to all members.

use std::sync::{Mutex, PoisonError};

use sansocket::{
    Overflow, Prepared,
    tokio::{Sender, accept},
};
use sansocket_peers::{Runtime, serve};
use tokio::net::TcpStream;

static MEMBERS: Mutex<Vec<Sender<TcpStream>>> = Mutex::new(Vec::new());

fn main() {
    serve(Runtime::All, |stream| async {
        let (sender, mut receiver) = accept(stream).await?.split();
        MEMBERS.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        while let Some(message) = receiver.recv().await? {
            let message = Prepared::new(message);
            for member in &*MEMBERS.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = member.post(&message, Overflow::DropNewest);
            }
        }
        Ok(())
    });
}
