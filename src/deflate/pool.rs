//! (De)compressors at rest, for whoever has a message in hand.

use std::sync::Mutex;

/// At most `N` of them. Nobody waits here: a place that someone else has a hand in is passed over.
pub(super) struct Pool<K, T, const N: usize>([Mutex<Option<(K, T)>>; N]);

impl<K: Copy + PartialEq, T, const N: usize> Pool<K, T, N> {
    pub(super) const fn new() -> Self {
        Self([const { Mutex::new(None) }; N])
    }

    /// Takes one of this kind.
    pub(super) fn take(&self, kind: K) -> Option<T> {
        let is_alike = |spare: &mut (K, T)| spare.0 == kind;
        let (_, spare) = self.0.iter().find_map(|place| place.try_lock().ok()?.take_if(is_alike))?;
        Some(spare)
    }

    /// Keeps it if there is a place, or one of another kind in it: what was used last is asked for first. Drops it
    /// otherwise.
    pub(super) fn give(&self, kind: K, spare: T) {
        let mut spare = Some((kind, spare));
        self.put(&mut spare, Option::is_none);
        self.put(&mut spare, |place| place.as_ref().is_some_and(|(other, _)| *other != kind));
    }

    fn put(&self, spare: &mut Option<(K, T)>, is_free: impl Fn(&Option<(K, T)>) -> bool) {
        for place in &self.0 {
            let Ok(mut place) = place.try_lock() else { continue };
            if spare.is_some() && is_free(&place) {
                *place = spare.take();
            }
        }
    }
}
