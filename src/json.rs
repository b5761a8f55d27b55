//! Messages as values: JSON, by way of serde. Feature `json`.

use serde::{Deserialize, Serialize};

use crate::event::Message;

impl Message {
    /// A text message that is `value` as JSON.
    ///
    /// ```
    /// use sansocket::Message;
    ///
    /// let message = Message::from_json(&[1, 2, 3])?;
    /// assert_eq!(message, Message::from("[1,2,3]"));
    /// assert_eq!(message.json::<Vec<u8>>()?, [1, 2, 3]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A value that JSON cannot express, as a map whose keys are no strings.
    pub fn from_json(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self::from)
    }

    /// The value that the payload is in JSON, in a text or a binary message. It may borrow from the message.
    ///
    /// # Errors
    ///
    /// A payload that is not JSON, or not of this type.
    pub fn json<'a, V: Deserialize<'a>>(&'a self) -> Result<V, serde_json::Error> {
        serde_json::from_slice(self.as_bytes())
    }
}
