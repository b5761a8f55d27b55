//! The loop under a mask, in the widest registers that the processor has. The only `unsafe` of the crate stands here.
//!
//! What every x86-64 has masks 16 bytes at a time; with AVX2 it is 32, and 64 KiB take 4,500 instead of 15,500
//! instructions, 1 KiB 155 instead of 420. Whether a processor has AVX2 is known only when the program runs, and for
//! the compiler to call what was compiled for it is `unsafe`. On other processors the widest registers need no asking.
//!
//! Nothing else is: both loops are one safe function over slices, compiled twice. It is held against a loop over
//! bytes for every length up to 2,100, and every alignment, turn of the key and cut (`tests/machine/masking.rs`, which
//! runs without `std` as well, where the processor is not asked; and the fuzz target `mask`, also with the sanitizer of
//! addresses). Miri was not at hand where this was written, and has not judged it.

/// From this length on the processor is asked.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
const ASKED_FROM: usize = 256;
/// The bytes of a turn: what counts the turns then hardly counts.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
const LANE: usize = 512;

/// Masks a payload whose first byte is for the first of the key.
#[inline]
pub(super) fn mask(payload: &mut [u8], key: [u8; 4]) {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if payload.len() >= ASKED_FROM {
        return mask_widest(payload, key);
    }
    mask_words(payload, key);
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[inline(never)]
// The one exception that invariant 8 (`lib.rs`) has: without it 64 KiB take three times the instructions.
#[allow(unsafe_code)]
fn mask_widest(payload: &mut [u8], key: [u8; 4]) {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was asked, and has AVX2. There is no other condition.
        return unsafe { mask_avx2(payload, key) };
    }
    mask_words(payload, key);
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn mask_avx2(payload: &mut [u8], key: [u8; 4]) {
    let (lanes, rest) = payload.as_chunks_mut::<LANE>();
    for lane in lanes {
        mask_words(lane, key);
    }
    mask_words(rest, key);
}

/// Always inlined, so that it is compiled for the processor that its caller is for.
#[inline(always)]
fn mask_words(payload: &mut [u8], key: [u8; 4]) {
    let (words, tail) = payload.as_chunks_mut::<4>();
    // Four words are a register of any processor.
    let (quads, rest) = words.as_chunks_mut::<4>();
    for quad in quads {
        quad.iter_mut().for_each(|word| mask_word(word, key));
    }
    rest.iter_mut().for_each(|word| mask_word(word, key));
    for (byte, key) in tail.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Always inlined, as its caller.
#[inline(always)]
fn mask_word(word: &mut [u8; 4], key: [u8; 4]) {
    *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
}
