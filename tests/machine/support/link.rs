//! Two machines and the link between them, which cuts and delays.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use sansocket::{Connection, Event, Kind, State};

use super::{
    chance::Chance,
    player::{Player, View},
    wire::Said,
};

/// One end of the link.
pub(crate) struct End {
    pub(crate) player: Player,
    /// What this end has said and was not refused, as its peer is to hear it.
    pub(crate) said: Vec<Event>,
    /// The message that it is saying in chunks.
    pub(crate) open: Option<(Kind, Vec<u8>)>,
    /// Bytes on their way to it.
    arriving: BytesMut,
    eof: bool,
}

impl End {
    fn new(connection: Connection, view: View) -> Self {
        let player = Player::holding_back(connection, view);
        Self { player, said: Vec::new(), open: None, arriving: BytesMut::new(), eof: false }
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.player.connection
    }

    pub(crate) fn heard(&self) -> impl Iterator<Item = &Event> {
        self.player.seen.said.iter().map(|said| match said {
            Said::Event(event) => event,
            Said::Refused(refusal) => panic!("{refusal:?} was heard"),
        })
    }
}

/// Two ends, and time.
pub(crate) struct Link {
    pub(crate) ends: [End; 2],
    pub(crate) now: Duration,
    chance: Chance,
}

impl Link {
    pub(crate) fn new(ends: [(Connection, View); 2], seed: u64) -> Self {
        let ends = ends.map(|(connection, view)| End::new(connection, view));
        Self { ends, now: Duration::ZERO, chance: Chance::new(seed) }
    }

    /// Some of what one end has to send is put on its way.
    pub(crate) fn send_some(&mut self, from: usize) -> bool {
        let transmit = self.ends[from].player.connection.transmit();
        let len = transmit.chunk().len();
        let len = self.chance.below(len).max(self.chance.below(len + 1)).max(len.min(1));
        let bytes = transmit.chunk()[..len].to_vec();
        transmit.advance(len);
        self.ends[1 - from].arriving.extend_from_slice(&bytes);
        len > 0
    }

    /// At most `most` of the bytes on their way to one end arrive there.
    pub(crate) fn arrive(&mut self, at: usize, most: usize) -> bool {
        let end = &mut self.ends[at];
        let bytes = end.arriving.split_to(most.min(end.arriving.len()));
        if !bytes.is_empty() {
            end.player.feed(&bytes);
        }
        !bytes.is_empty()
    }

    /// One end learns that the other has shut its stream down, if it has and all has arrived.
    pub(crate) fn end_stream(&mut self, at: usize) -> bool {
        let over = self.ends[1 - at].player.connection.wants_shutdown();
        let end = &mut self.ends[at];
        if end.eof || !over || !end.arriving.is_empty() {
            return false;
        }
        end.eof = true;
        let _ = end.player.connection.receive_eof();
        true
    }

    /// Lets everything arrive, until nothing moves.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for end in 0..2 {
                moved |= self.send_some(end);
                let most = 1 + self.chance.below(40);
                moved |= self.arrive(end, most);
                moved |= self.end_stream(end);
            }
            if !moved {
                return;
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.player.connection.state() == State::Closed)
    }
}
