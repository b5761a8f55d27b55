//! Who is in which room, and how one message reaches all of them.
//!
//! Locks, and no actor: to post never waits, so a broadcast is a loop over the members, and since it holds the lock of
//! its room, all of them hear the same in the same order. An actor would do that too, behind a queue that has to be bounded
//! and waited for. There is one lock for the table of rooms and one for each room; none is held across an await, or while
//! another one is, so that a room of thousands never keeps the others waiting.
//!
//! What is held for a member who does not read is bounded by [`Limits::unsent`](sansocket::Limits::unsent), and what happens
//! then is the policy of the hub. A room ends with its last member. To join costs some hundred posts, however many are
//! there: see [`CROWD`].

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sansocket::{CloseCode, CloseFrame, Overflow, Posted, Prepared, tokio::Sender};
use tokio::io::{AsyncRead, AsyncWrite};

use super::farewell::{Farewell, farewell};

/// How many messages of a room are kept for those who come later, at most.
pub(crate) const HISTORY: usize = 50;
/// And how many bytes of them, so that whatever was said, a newcomer has room for it.
pub(crate) const HISTORY_BYTES: usize = 64 << 10;
/// With more members than this nobody is announced, only how many there are, each time that has changed by a twentieth.
pub(crate) const CROWD: usize = 100;

/// Somebody in a room.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Made here, never by a client; there is no other one with it for as long as the hub lives.
    pub(crate) id: u64,
    /// What the client says it is called; others may say the same.
    pub(crate) name: String,
}

/// What members are told. All in a room are told the same, but for [`Welcome`](News::Welcome), which comes first.
#[derive(Debug)]
pub(crate) enum News<'a> {
    /// You are in.
    Welcome { you: &'a Person, room: &'a str },
    /// How many members there are, and all of them unless they are a crowd.
    Here { count: usize, people: &'a [&'a Person] },
    /// Somebody has come.
    Joined(&'a Person),
    /// Somebody has gone.
    Left(&'a Person),
    /// Somebody says something: the message of this number in the room.
    Said { by: &'a Person, number: u64, text: &'a str },
}

/// How news are written.
pub(crate) type Write = fn(&News<'_>) -> String;

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Members now.
    pub(crate) connections: u64,
    /// Messages that somebody has said.
    pub(crate) messages: u64,
    /// How often these were encoded: once each, and once more for each set of parameters of compression.
    pub(crate) encodings: u64,
    /// Messages, to one member each, that were dropped because the member was slow.
    pub(crate) dropped: u64,
    /// Members that were closed because they were slow.
    pub(crate) closed_slow: u64,
}

/// All rooms.
pub(crate) struct Hub<T>(Arc<Shared<T>>);

struct Shared<T> {
    slow: Overflow,
    write: Write,
    table: Mutex<Table<T>>,
    ids: AtomicU64,
    tally: Tally,
}

struct Table<T> {
    rooms: HashMap<String, Arc<Room<T>>>,
    is_closing: bool,
}

#[derive(Default)]
struct Tally {
    connections: AtomicU64,
    messages: AtomicU64,
    /// Of messages that are no longer kept.
    encodings: AtomicU64,
    dropped: AtomicU64,
    closed_slow: AtomicU64,
}

struct Room<T> {
    name: String,
    seats: Mutex<Seats<T>>,
}

struct Seats<T> {
    members: BTreeMap<u64, Seat<T>>,
    history: VecDeque<Prepared>,
    said: u64,
    /// How many members there were when they were last told.
    told: usize,
    /// The last member has left: who comes now needs a new room.
    is_over: bool,
}

struct Seat<T> {
    person: Person,
    sender: Sender<T>,
}

/// A place in a room, which is left when this is dropped.
pub(crate) struct Member<T> {
    hub: Hub<T>,
    room: Arc<Room<T>>,
    id: u64,
}

impl<T> Clone for Hub<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Hub<T> {
    /// A hub without rooms, that does this with what slow members have no room for.
    pub(crate) fn new(slow: Overflow, write: Write) -> Self {
        let table = Mutex::new(Table { rooms: HashMap::new(), is_closing: false });
        Self(Arc::new(Shared { slow, write, table, ids: AtomicU64::new(0), tally: Tally::default() }))
    }

    /// Enters a room, which is made if it is not there; `None` once the hub is shutting down.
    ///
    /// The newcomer hears a welcome, who is there, and what was said last. It is the task that receives from the connection
    /// which writes what is posted to it.
    pub(crate) fn join(&self, room: &str, name: &str, sender: &Sender<T>) -> Option<Member<T>> {
        let person = Person { id: self.0.ids.fetch_add(1, Relaxed) + 1, name: name.into() };
        loop {
            let room = self.room(room)?;
            if room.seats().seat(&self.0, &room.name, &person, sender) {
                self.0.tally.connections.fetch_add(1, Relaxed);
                return Some(Member { hub: self.clone(), room, id: person.id });
            }
            self.forget(&room);
        }
    }

    /// Whether nobody can join any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.table().is_closing
    }

    /// What has happened so far. A message counts with the encodings that it has had when it was last kept.
    pub(crate) fn counts(&self) -> Counts {
        let rooms: Vec<_> = self.table().rooms.values().cloned().collect();
        let kept = rooms.iter().map(|room| encodings(&room.seats().history)).sum::<u64>();
        let tally = &self.0.tally;
        Counts {
            connections: tally.connections.load(Relaxed),
            messages: tally.messages.load(Relaxed),
            encodings: tally.encodings.load(Relaxed) + kept,
            dropped: tally.dropped.load(Relaxed),
            closed_slow: tally.closed_slow.load(Relaxed),
        }
    }

    fn room(&self, name: &str) -> Option<Arc<Room<T>>> {
        let mut table = self.table();
        if table.is_closing {
            return None;
        }
        let room = table.rooms.entry(name.into()).or_insert_with(|| Arc::new(Room::new(name)));
        Some(room.clone())
    }

    fn forget(&self, room: &Arc<Room<T>>) {
        let rooms = &mut self.table().rooms;
        if rooms.get(&room.name).is_some_and(|other| Arc::ptr_eq(room, other)) {
            rooms.remove(&room.name);
        }
    }

    /// Ends all rooms, and returns what was in them.
    fn clear(&self) -> Vec<(Vec<Seat<T>>, VecDeque<Prepared>)> {
        let rooms = {
            let mut table = self.table();
            table.is_closing = true;
            mem::take(&mut table.rooms)
        };
        rooms.into_values().map(|room| room.seats().end()).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Hub<T> {
    /// Lets nobody in any more, and closes everybody with 1001, behind what they have still to hear: see [`farewell`].
    pub(crate) async fn shutdown(&self, patience: Duration, batch: usize) -> Farewell {
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, "the server shuts down").expect("a short reason");
        let (seats, histories): (Vec<_>, Vec<_>) = self.clear().into_iter().unzip();
        let senders = seats.into_iter().flatten().map(|seat| seat.sender).collect();
        let farewell = farewell(senders, &frame, patience, batch).await;
        // Only now is all of it encoded.
        histories.iter().for_each(|history| self.0.tally.forget(history));
        farewell
    }
}

impl<T> Room<T> {
    fn new(name: &str) -> Self {
        let seats =
            Seats { members: BTreeMap::new(), history: VecDeque::new(), said: 0, told: 0, is_over: false };
        Self { name: name.into(), seats: Mutex::new(seats) }
    }

    fn seats(&self) -> MutexGuard<'_, Seats<T>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Seats<T> {
    /// Seats a newcomer, and says so; false if the room is over.
    fn seat(&mut self, hub: &Shared<T>, room: &str, person: &Person, sender: &Sender<T>) -> bool {
        if self.is_over {
            return false;
        }
        self.announce(hub, &News::Joined(person), self.members.len() + 1);
        let seat = Seat { person: person.clone(), sender: sender.clone() };
        hub.post(&seat, &hub.prepare(&News::Welcome { you: person, room }));
        self.members.insert(person.id, seat);
        let seat = &self.members[&person.id];
        hub.post(seat, &self.attendance(hub));
        self.history.iter().for_each(|message| hub.post(seat, message));
        true
    }

    /// Lets somebody go, and says so, unless that was the last one or all are being let go.
    fn leave(&mut self, hub: &Shared<T>, id: u64) -> Option<Seat<T>> {
        let seat = self.members.remove(&id)?;
        if self.members.is_empty() {
            hub.tally.forget(&self.end().1);
        } else {
            self.announce(hub, &News::Left(&seat.person), self.members.len());
        }
        Some(seat)
    }

    fn say(&mut self, hub: &Shared<T>, id: u64, text: &str) {
        let Some(seat) = self.members.get(&id) else { return };
        self.said += 1;
        let message = hub.prepare(&News::Said { by: &seat.person, number: self.said, text });
        self.post_all(hub, &message);
        hub.tally.messages.fetch_add(1, Relaxed);
        self.keep(hub, message);
    }

    fn keep(&mut self, hub: &Shared<T>, message: Prepared) {
        self.history.push_back(message);
        let mut bytes: usize = self.history.iter().map(Prepared::len).sum();
        while self.history.len() > HISTORY || bytes > HISTORY_BYTES {
            let Some(oldest) = self.history.pop_front() else { return };
            bytes -= oldest.len();
            hub.tally.forget([&oldest]);
        }
    }

    /// Tells those who are there of one more or one less: by name among few, in a crowd now and then by number.
    fn announce(&mut self, hub: &Shared<T>, news: &News<'_>, count: usize) {
        let is_crowd = count.max(self.told) > CROWD;
        if !is_crowd {
            self.told = count;
            return self.post_all(hub, &hub.prepare(news));
        }
        let is_due = count.abs_diff(self.told) * 20 >= count || (count > CROWD) != (self.told > CROWD);
        if is_due {
            self.told = count;
            let message = self.attendance_of(hub, count);
            self.post_all(hub, &message);
        }
    }

    fn attendance(&self, hub: &Shared<T>) -> Prepared {
        self.attendance_of(hub, self.members.len())
    }

    fn attendance_of(&self, hub: &Shared<T>, count: usize) -> Prepared {
        let people: Vec<_> = match count {
            0..=CROWD => self.members.values().map(|seat| &seat.person).collect(),
            _ => Vec::new(),
        };
        hub.prepare(&News::Here { count, people: &people })
    }

    fn post_all(&self, hub: &Shared<T>, message: &Prepared) {
        self.members.values().for_each(|seat| hub.post(seat, message));
    }

    /// Ends the room, and returns what was in it.
    fn end(&mut self) -> (Vec<Seat<T>>, VecDeque<Prepared>) {
        self.is_over = true;
        (mem::take(&mut self.members).into_values().collect(), mem::take(&mut self.history))
    }
}

impl Tally {
    /// Counts messages that are not kept any longer with the encodings that they have had.
    fn forget<'a>(&self, messages: impl IntoIterator<Item = &'a Prepared>) {
        self.encodings.fetch_add(encodings(messages), Relaxed);
    }
}

fn encodings<'a>(messages: impl IntoIterator<Item = &'a Prepared>) -> u64 {
    messages.into_iter().map(|message| message.encodings() as u64).sum()
}

impl<T> Shared<T> {
    /// Encodes news, once for all who hear them.
    fn prepare(&self, news: &News<'_>) -> Prepared {
        Prepared::new((self.write)(news))
    }

    fn post(&self, seat: &Seat<T>, message: &Prepared) {
        let (counter, by) = match seat.sender.post(message, self.slow.clone()) {
            Ok(Posted::Replaced(dropped)) => (&self.tally.dropped, dropped as u64),
            Ok(Posted::Dropped) => (&self.tally.dropped, 1),
            Ok(Posted::Closed) => (&self.tally.closed_slow, 1),
            // One that is closing already leaves when that is done.
            Ok(Posted::Queued) | Err(_) => return,
        };
        counter.fetch_add(by, Relaxed);
    }
}

impl<T> Member<T> {
    /// Says something to all in the room, this member included.
    pub(crate) fn say(&self, text: &str) {
        self.room.seats().say(&self.hub.0, self.id, text);
    }
}

impl<T> Drop for Member<T> {
    fn drop(&mut self) {
        self.hub.0.tally.connections.fetch_sub(1, Relaxed);
        let (seat, is_over) = {
            let mut seats = self.room.seats();
            (seats.leave(&self.hub.0, self.id), seats.is_over)
        };
        // Here the stream may be closed, with nothing locked.
        drop(seat);
        if is_over {
            self.hub.forget(&self.room);
        }
    }
}
