//! A replay where ticks are listed: it is told the time when it was, and knows then what it knew.

use crate::judging::check;

#[test]
fn where_ticks_are_listed_no_other_moment_counts() {
    let ticks = "role server; ticks listed; keepalive 10 5";
    check(&format!("{ticks}; 0 tick; 40 end"), &[]);
    check(&format!("{ticks}; 0 tick; 40 tick ping; 40 end"), &["40 says ping 0"]);
    check(
        &format!("{ticks}; 0 tick; 40 tick ping; 40 > 8900; 46 tick; 46 end"),
        &["40 says ping 0", "46 expires Pong: no answer to a keepalive ping in time"],
    );
    // It knows at the next tick when it heard something.
    let news = format!("{ticks}; 0 tick; 1 < 8180 00000000; 3 tick");
    check(
        &format!("{news}; 12 tick; 13 tick ping; 13 > 8900; 13 end"),
        &["1 hears text 0", "13 says ping 0"],
    );
    // Who reads nothing holds no silence against the peer.
    check(&format!("{ticks}; 0 tick; 40 tick unread; 49 tick; 49 end"), &[]);
    check(&format!("{ticks}; 0 tick; 40 tick unread; 50 tick ping; 50 end"), &["50 says ping 0"]);
    check(
        &format!("{ticks}; 0 tick; 10 tick ping; 10 > 8900; 14 tick unread; 16 tick; 16 end"),
        &["10 says ping 0"],
    );
    // Where they are not listed a tick is one more moment, and of its kind.
    check("role server; keepalive 10 5; 9 tick unread; 18 end", &[]);
    check("role server; keepalive 10 5; 9 tick; 12 end", &["10 says ping 0"]);
}

#[test]
fn a_ping_of_the_machine_is_told_from_one_of_the_application() {
    let ticks = "role server; ticks listed; keepalive 10 5; 0 tick";
    // No tick has made it, however long the silence is.
    check(&format!("{ticks}; 30 > 8900; 30 end"), &["30 sends ping 0"]);
    // One of two.
    check(
        &format!("{ticks}; 10 tick ping; 10 > 8900; 11 > 8900; 12 end"),
        &["10 says ping 0", "11 sends ping 0"],
    );
    // Both, and the first leaves late.
    let late = "10 tick > 4 ping; 11 < 8a80 00000000; 11 tick > 6; 21 tick > 6 ping; 22 > 61616161 8900 8900";
    check(
        &format!("{ticks}; 10 > 8104; {late}; 22 end"),
        &["10 sends text 4 \"aaaa\"", "10 says ping 0", "11 hears pong 0", "21 says ping 0"],
    );
}

/// A message is held for an application that sends, and a ping stands behind it.
#[test]
fn what_was_not_looked_at_is_heard_behind_the_tick() {
    let ticks = "role server; ticks listed; keepalive 10 5; 0 tick";
    let held =
        format!("{ticks}; 1 < 8181 00000000 61 8981 00000000 62; 1 tick unread < 7; 9 tick unread < 7");
    check(
        &format!("{held}; 12 > 8a0162; 12 tick; 21 tick; 22 tick ping; 22 end"),
        &["1 hears text 1 \"a\"", "12 hears ping 1 \"b\"", "12 says pong 1 \"b\"", "22 says ping 0"],
    );
    // Its pong did not wait to be written meanwhile.
    let held = format!("{held}; 17 tick unread < 7; 30 tick unread < 7");
    check(
        &format!("{held}; 30 tick; 30 > 8a0162; 30 end"),
        &["1 hears text 1 \"a\"", "30 hears ping 1 \"b\"", "30 says pong 1 \"b\""],
    );
    // A part of it was looked at; and what is behind the last tick is heard in the end.
    let lines = ["1 hears text 1 \"a\"", "9 hears ping 1 \"b\"", "9 says pong 1 \"b\"", "9 hears pong 0"];
    let three = "1 < 8181 00000000 61 8981 00000000 62 8a80 00000000";
    check(&format!("{ticks}; {three}; 1 tick unread < 13; 9 tick < 6 > 3; 9 end"), &lines);
    // More than there is.
    check(&format!("{ticks}; 1 < 8180 00000000; 1 tick < 99; 2 tick; 2 end"), &["2 hears text 0"]);
    // A recording that ends here does not know of it.
    check(&format!("{ticks}; 1 < 8180 00000000; 1 tick < 6"), &["1 cut off"]);
}

/// A Close frame of the application that was never written, or not to its end.
#[test]
fn a_close_frame_that_waits_is_replayed() {
    let ticks = "role server; ticks listed; keepalive 10 5; close_timeout 2";
    let expired = "3 expires Close: closing handshake not finished in time";
    check(
        &format!("{ticks}; 1 > 8108; 1 tick > 12 closing; 3 tick > 12 closing; 3 end"),
        &["1 begins text of 8 bytes", expired],
    );
    check(&format!("{ticks}; 1 > 880203; 1 tick > 1 closing; 3 tick > 1 closing; 3 end"), &[expired]);
    check(&format!("{ticks}; 1 tick > 4 closing; 3 tick > 4 closing; 3 end"), &[expired]);
    // It is written in the end: no other stands for it.
    check(
        &format!("{ticks}; 1 tick > 4 closing; 2 > 880203e8; 2 tick closing; 3 tick closing; 3 end"),
        &["1 sends close 1000 \"\"", expired],
    );
    // The pings of a connection that is closing are over.
    check(
        &format!("{ticks}; close_timeout 30; 0 tick; 1 > 8800; 1 tick closing; 12 tick closing; 12 end")
            .replace("close_timeout 2; ", ""),
        &["1 sends close"],
    );
}

/// A control frame of the application that was begun waits as any other output does.
#[test]
fn a_ping_that_is_not_written_to_its_end_is_output_that_waits() {
    let ticks = "role server; ticks listed; keepalive 10 5";
    check(
        &format!("{ticks}; 0 > 8908 6162636465; 0 tick unread > 3; 15 tick unread > 3; 15 end"),
        &["15 expires Write: no output taken by the peer in time"],
    );
}
