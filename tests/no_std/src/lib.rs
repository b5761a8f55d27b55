//! A server and a client on a machine without an operating system: the opening handshake and the conversation, with an
//! allocator and a panic handler of their own.
#![no_std]

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    panic::PanicInfo,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::{Buf, BytesMut};
use sansocket::{
    Config, Connection, Event,
    handshake::{Answer, ClientHandshake, Request, ServerHandshake},
};

const HEAP: usize = 1 << 20;

/// Memory that is handed out from the front and never taken back.
struct Bump {
    heap: UnsafeCell<[u8; HEAP]>,
    used: AtomicUsize,
}

// SAFETY: `used` only grows, in one step, so no two blocks share a byte of the heap.
unsafe impl Sync for Bump {}

// SAFETY: each block lies in the heap, is aligned as asked, and belongs to nobody else.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = self.heap.get().cast::<u8>();
        // One alignment more than asked for: the block may begin anywhere in it.
        let start = self.used.fetch_add(layout.size() + layout.align(), Ordering::Relaxed);
        let aligned = start + heap.wrapping_add(start).align_offset(layout.align());
        if aligned + layout.size() > HEAP { ptr::null_mut() } else { heap.wrapping_add(aligned) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { heap: UnsafeCell::new([0; HEAP]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// A client greets a server and hears its greeting back. Returns the length of the greeting, negative if it failed.
#[unsafe(no_mangle)]
pub extern "C" fn sansocket_echo() -> i32 {
    match echo() {
        Some(len) => len as i32,
        None => -1,
    }
}

fn echo() -> Option<usize> {
    let config = Config::new();
    let request = Request::new("ws://server.example.com/chat").ok()?;
    let mut opening = ClientHandshake::new(request, *b"the sample nonce", &config.limits);
    let mut to_server = BytesMut::from(&opening.request()[..]);
    let offer = ServerHandshake::new(&config.limits).receive(&mut to_server).ok()??;
    let (reply, negotiated) = offer.accept(&Answer::default()).ok()?;
    let mut to_client = BytesMut::from(&reply.into_bytes()[..]);
    let established = opening.receive(&mut to_client).ok()??;

    let mut client = Connection::client(&config, established.negotiated, || [0x37, 0xfa, 0x21, 0x3d]);
    let mut server = Connection::server(&config, negotiated);
    client.send("Hello").ok()?;
    carry(&mut client, &mut to_server);
    let Event::Data(message) = server.receive(&mut to_server).ok()?? else { return None };
    server.send(message).ok()?;
    carry(&mut server, &mut to_client);
    let Event::Data(message) = client.receive(&mut to_client).ok()?? else { return None };
    message.as_text().map(str::len)
}

fn carry(from: &mut Connection, wire: &mut BytesMut) {
    while from.transmit().has_remaining() {
        let sent = from.transmit().chunk().len();
        wire.extend_from_slice(from.transmit().chunk());
        from.transmit().advance(sent);
    }
}
