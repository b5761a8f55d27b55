//! What stands in for the (de)compressors where they are not compiled in: types without a value.

use core::marker::PhantomData;

use bytes::{Bytes, BytesMut};

use super::{Direction, InvalidDeflate, Step};

#[derive(Debug)]
pub(crate) enum Inflater {}

impl Inflater {
    pub(crate) fn new(_: Direction) -> Option<Self> {
        None
    }

    pub(crate) fn step(&mut self, _: &[u8], _: &mut BytesMut, _: usize) -> Result<Step, InvalidDeflate> {
        match *self {}
    }

    pub(crate) fn finish(&mut self, _: &mut BytesMut, _: usize) -> Result<Step, InvalidDeflate> {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Deflater {}

impl Deflater {
    pub(crate) fn new(_: Direction, _: u8) -> Option<Self> {
        None
    }

    pub(crate) fn deflate(&mut self, _: &[u8]) -> Option<Bytes> {
        match *self {}
    }

    pub(crate) fn forget(&mut self) {
        match *self {}
    }

    pub(crate) fn compress(&mut self, _: &[u8]) -> Bytes {
        match *self {}
    }

    pub(crate) fn finish(&mut self, _: &[u8]) -> Bytes {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) struct Forms<F>(PhantomData<F>);

impl<F> Default for Forms<F> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<F> Forms<F> {
    pub(crate) fn get(&self, like: &Deflater, _: &[u8], _: impl FnOnce(Option<Bytes>) -> F) -> F {
        match *like {}
    }

    pub(crate) fn len(&self) -> usize {
        0
    }
}
