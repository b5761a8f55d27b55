//! Unpredictable bytes for masking keys and handshakes, from the operating system. RFC 6455 §10.3.

use std::{cell::RefCell, thread_local};

use rand::{TryRng, rngs::SysRng};

/// How much is asked of the system at a time: a call for each key would cost more than masking a message.
const POOL: usize = 1024;

thread_local! {
    /// Random bytes, and how many of them have been given out. None is given out twice.
    static BYTES: RefCell<([u8; POOL], usize)> = const { RefCell::new(([0; POOL], POOL)) };
}

/// Bytes that nobody can guess.
///
/// # Panics
///
/// If the system has no randomness to give: there is no safe way to go on.
pub(super) fn random<const N: usize>() -> [u8; N] {
    BYTES.with_borrow_mut(|(pool, used)| {
        if *used + N > POOL {
            SysRng.try_fill_bytes(pool).expect("the system gives random bytes");
            *used = 0;
        }
        let bytes = core::array::from_fn(|i| pool[*used + i]);
        *used += N;
        bytes
    })
}
