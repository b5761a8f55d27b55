//! What one payload becomes under compression, for connections that agreed on different parameters. RFC 7692 §7.2.1.

use alloc::vec::Vec;
use std::sync::Mutex;

use bytes::Bytes;

use super::{Deflater, Direction};

/// Made once for each size of window and level, and kept.
#[derive(Debug)]
pub(crate) struct Forms<F>(Mutex<Vec<(Key, F)>>);

/// What the compressed bytes depend on. Context takeover is not a part of it: nothing here refers back to another message.
type Key = (super::WindowBits, u8);

impl<F> Default for Forms<F> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<F: Clone> Forms<F> {
    /// The form for connections like this one, which `make` is given the compressed payload to make of; `None` if that is
    /// not smaller. Who comes while it is being made waits for it.
    pub(crate) fn get(&self, like: &Deflater, payload: &[u8], make: impl FnOnce(Option<Bytes>) -> F) -> F {
        let key = like.key();
        let mut forms = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, form)) = forms.iter().find(|(other, _)| *other == key) {
            return form.clone();
        }
        let form = make(deflate(key, payload));
        forms.push((key, form.clone()));
        form
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).len()
    }
}

/// Compresses a message that nothing went before; `None` if that does not make it smaller.
fn deflate((window, level): Key, message: &[u8]) -> Option<Bytes> {
    Deflater::new(Direction { takeover: false, window }, level)?.deflate(message)
}
