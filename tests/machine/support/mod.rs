//! What the tables stand on: the table language, a player that runs a line, a link between two machines, chance.

pub(crate) mod chance;
#[cfg(feature = "deflate")]
pub(crate) mod flate;
pub(crate) mod link;
pub(crate) mod player;
pub(crate) mod wire;
