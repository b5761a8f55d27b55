//! Room for what comes out of a step. It is copied from here to where it belongs, so that nothing has to be zeroed first,
//! and nothing is kept that is larger than what is in it.

use alloc::{boxed::Box, vec};

use super::{MAX_STEP, pool::Pool};

static SPARES: Pool<(), Box<[u8]>, 4> = Pool::new();

/// Lends room for as long as `step` takes.
pub(super) fn lend<R>(step: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut room = SPARES.take(()).unwrap_or_else(|| vec![0; MAX_STEP].into());
    let result = step(&mut room);
    SPARES.give((), room);
    result
}
