//! Values instead of messages. Feature `json`.

use std::{collections::BTreeMap, error::Error as _, io};

use sansocket::{
    Message,
    frame::OpCode,
    tokio::{Error, NotJson},
};
use serde_json::{Value, json};

use crate::support::{at_once, server};

fn not_json(error: Error) -> NotJson {
    match error {
        Error::Json(error) => *error,
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_value_goes_out_as_text_and_comes_back() {
    let (mut websocket, peer) = server();
    at_once(websocket.send_json(&json!({"name": "Ada", "born": 1815}))).unwrap();
    assert_eq!(peer.heard(), [r#"text {"born":1815,"name":"Ada"}"#]);
    peer.text(r#" {"a": [1, 2, null]} "#);
    assert_eq!(at_once(websocket.recv_json::<Value>()).unwrap(), Some(json!({"a": [1, 2, null]})));
    peer.put(peer.frame(OpCode::Binary, b"[\"binary\", 7]"));
    assert_eq!(at_once(websocket.recv_json()).unwrap(), Some(("binary".to_owned(), 7_u8)));
    peer.close(1000);
    peer.eof();
    assert_eq!(at_once(websocket.recv_json::<Value>()).unwrap(), None);
}

#[tokio::test]
async fn what_is_not_json_is_given_back_and_the_connection_goes_on() {
    let (mut websocket, peer) = server();
    for (text, wrong) in [
        ("", "EOF while parsing"),
        ("[", "invalid type"),
        ("1 2", "trailing characters"),
        ("nul", "EOF while parsing"),
        ("\"text\"", "invalid type"),
        ("300", "invalid value"),
    ] {
        peer.text(text);
        let error = not_json(at_once(websocket.recv_json::<u8>()).unwrap_err());
        assert!(error.to_string().contains(wrong), "{text}: {error}");
        assert_eq!(error.message, Some(text.to_owned().into()));
    }
    peer.text("255");
    assert_eq!(at_once(websocket.recv_json::<u8>()).unwrap(), Some(255));
    assert!(peer.heard().is_empty());
}

#[tokio::test]
async fn a_value_that_json_cannot_express_is_not_sent() {
    let (mut websocket, peer) = server();
    let error = at_once(websocket.send_json(&BTreeMap::from([((1, 2), 3)]))).unwrap_err();
    assert_eq!(error.to_string(), "key must be a string");
    assert!(error.source().is_some());
    assert_eq!(not_json(error).message, None);
    assert!(peer.heard().is_empty());
    let error = at_once(websocket.send_json(&BTreeMap::from([((1, 2), 3)]))).unwrap_err();
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_value_may_borrow_from_its_message() {
    let message = Message::from(r#"["borrowed", "\u00fc"]"#);
    let (first, second): (&str, String) = message.json().unwrap();
    assert_eq!((first, second.as_str()), ("borrowed", "ü"));
}

#[tokio::test]
async fn the_halves_speak_json_too() {
    let (websocket, peer) = server();
    let (sender, mut receiver) = websocket.split();
    peer.text("[1,2]");
    let numbers: Vec<u32> = at_once(receiver.recv_json()).unwrap().unwrap();
    at_once(sender.send_json(&numbers)).unwrap();
    assert_eq!(peer.heard(), ["text [1,2]"]);
    peer.text("]");
    assert_eq!(not_json(at_once(receiver.recv_json::<Value>()).unwrap_err()).message, Some("]".into()));
}
