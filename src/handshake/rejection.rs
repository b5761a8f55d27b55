//! How a server says no.

use alloc::{string::ToString, vec, vec::Vec};
use core::{error::Error, fmt};

use bytes::Bytes;

use super::{
    fault::{self, Fault, Faults},
    headers::{FieldLines, InvalidHeader},
    http1,
    reply::Reply,
};

/// A server's refusal: what is wrong with the request, and the reply that says so.
///
/// Validation makes one that names every fault. An application makes its own, with any status, headers and body.
/// After the reply the connection is closed: whatever the client sent behind the request is not HTTP.
///
/// ```
/// use sansocket::handshake::Rejection;
///
/// let rejection = Rejection::new(401).header("WWW-Authenticate", "Bearer")?.body("who are you?");
/// assert_eq!(
///     &rejection.response()[..],
///     b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Bearer\r\n\
///       Content-Length: 12\r\n\r\nwho are you?"
/// );
/// # Ok::<(), sansocket::handshake::InvalidHeader>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    status: u16,
    faults: Vec<Fault>,
    fields: FieldLines,
    body: Option<Bytes>,
}

impl Rejection {
    /// A refusal with this status. Without a [`body`](Self::body) it names itself in plain text.
    ///
    /// # Panics
    ///
    /// If the status is not one of a final reply, from 200 to 999.
    pub fn new(status: u16) -> Self {
        assert!((200..1000).contains(&status), "a final reply has a status from 200 to 999");
        Self { status, faults: Vec::new(), fields: FieldLines::default(), body: None }
    }

    /// Adds a header.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`], and the header is neither added nor changed into a valid one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.fields.push(name, value)?;
        Ok(self)
    }

    /// Sets the body. Its `Content-Type` is for the application to add.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The status of the reply.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Everything that is wrong with the request, the first of which decided the status; nothing, if an application
    /// refuses for its own reasons.
    ///
    /// A request that does not want to become a WebSocket has [`Fault::UpgradeMissing`] among its faults.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The bytes of the [`reply`](Self::reply).
    pub fn response(&self) -> Bytes {
        self.reply().into_bytes()
    }

    /// The reply that says so.
    pub fn reply(&self) -> Reply {
        let own_text = self.to_string() + "\n";
        let mut fields = self.prescribed_fields();
        if self.body.is_none() {
            fields.write("Content-Type", b"text/plain; charset=utf-8");
        }
        fields.append(&self.fields);
        // RFC 9110 §15.3.5, §15.4.5: these two end with their head.
        if matches!(self.status, 204 | 304) {
            return Reply::new(self.status, &[fields.as_bytes()], b"");
        }
        let body = self.body.as_deref().unwrap_or(own_text.as_bytes());
        fields.write("Content-Length", body.len().to_string().as_bytes());
        Reply::new(self.status, &[fields.as_bytes()], body)
    }

    /// What the status and the faults call for.
    fn prescribed_fields(&self) -> FieldLines {
        let mut fields = FieldLines::default();
        if self.status == 426 {
            // RFC 9110 §15.5.22, §7.8: Upgrade says to what, and Connection names it.
            fields.write("Upgrade", b"websocket");
            fields.write("Connection", b"Upgrade, close");
        } else {
            fields.write("Connection", b"close");
        }
        if self.status == 405 {
            // RFC 9110 §15.5.6: the methods that are allowed.
            fields.write("Allow", b"GET");
        }
        if self.status == 426 || !self.faults.is_empty() {
            // §4.2.2, §4.4: the version that the server understands.
            fields.write("Sec-WebSocket-Version", b"13");
        }
        fields
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::new(fault.status()) }
    }
}

impl From<Faults> for Rejection {
    /// The status is that of the first fault in the order of precedence.
    fn from(faults: Faults) -> Self {
        let faults = faults.into_sorted();
        Self { status: faults[0].status(), faults, ..Self::new(400) }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.faults.is_empty() {
            write!(f, "refused with status {} {}", self.status, http1::reason(self.status))
        } else {
            fault::write_list(&self.faults, f)
        }
    }
}

impl Error for Rejection {}
