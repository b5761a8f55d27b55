//! What the tables stand on: the table language, a player that runs a line, a link between two machines, chance.

pub(crate) mod chance;
pub(crate) mod link;
pub(crate) mod player;
pub(crate) mod wire;
