//! What one payload becomes under compression, for connections that agreed on different parameters. RFC 7692 §7.2.1.

use alloc::vec::Vec;
use std::sync::Mutex;

use bytes::Bytes;

use super::{Deflater, Direction};

/// A compressor at rest. To make one for each message would leave the heap in pieces: what is kept of a message comes to
/// stand where a compressor was, and the next one finds no place.
static SPARE: Mutex<Option<Deflater>> = Mutex::new(None);

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
fn deflate(key: Key, message: &[u8]) -> Option<Bytes> {
    let (window, level) = key;
    let spare = SPARE.try_lock().ok().and_then(|mut spare| spare.take());
    let spare = spare.filter(|spare| spare.key() == key);
    let mut deflater = spare.or_else(|| Deflater::new(Direction { takeover: true, window }, level))?;
    let deflated = deflater.deflate(message);
    deflater.reset();
    if let Ok(mut spare) = SPARE.try_lock() {
        *spare = Some(deflater);
    }
    deflated.filter(|deflated| deflated.len() < message.len())
}
