//! HTTP requests byte by byte, for those that no client library would send.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use crate::connection::Connection;
use crate::http::Reply;

/// A server that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request on a connection of its own.
#[derive(Debug, Clone)]
pub struct Wire {
    line: Vec<u8>,
    host: Option<String>,
    fields: Vec<u8>,
    body: Vec<u8>,
    has_length: bool,
    hangs_up: bool,
}

impl Wire {
    /// A request by this method to this target, which is sent as it stands.
    #[must_use]
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let line = [method.as_bytes(), b" ", target.as_ref(), b" HTTP/1.1\r\n"].concat();
        Self { line, host: None, fields: Vec::new(), body: Vec::new(), has_length: true, hangs_up: false }
    }

    /// `GET target`.
    #[must_use]
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// `POST target` with a form, which is sent as it stands.
    #[must_use]
    pub fn form(target: impl AsRef<[u8]>, form: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).field("Content-Type", "application/x-www-form-urlencoded").body(form)
    }

    /// Another host than the issuer's.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// A further header field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields = [&self.fields, name.as_bytes(), b": ", value.as_ref(), b"\r\n"].concat();
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Leaves the length out: the header fields say how the body ends.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.has_length = false;
        self
    }

    /// Ends its side of the connection when it has sent this much.
    #[must_use]
    pub fn hang_up(mut self) -> Self {
        self.hangs_up = true;
        self
    }

    /// Sends it to the issuer and reads until the connection ends. A status of 0 stands for no answer at all.
    #[must_use]
    #[track_caller]
    pub fn send(&self, issuer: &str) -> Reply {
        let authority = issuer.split_once("://").unwrap_or_default().1;
        let mut stream = Connection::to(issuer, PATIENCE);
        // A server may answer, and close, before it has read everything.
        stream.write_all(&self.bytes(authority)).ok();
        if self.hangs_up {
            stream.hang_up();
        }
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no end of the answer in {PATIENCE:?}: {}", String::from_utf8_lossy(&answer))
            }
            // A reset comes where the rest of the request was not read.
            _ => parse(&answer),
        }
    }

    fn bytes(&self, authority: &str) -> Vec<u8> {
        let host = self.host.as_deref().unwrap_or(authority);
        let length = if self.has_length { format!("Content-Length: {}\r\n", self.body.len()) } else { String::new() };
        let common = format!("Host: {host}\r\nConnection: close\r\n{length}");
        [&self.line[..], common.as_bytes(), &self.fields, b"\r\n", &self.body].concat()
    }
}

fn parse(answer: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let fields = lines.filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    Reply { status: status.unwrap_or(0), headers, body: body.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_it_stands() {
        let wire = Wire::form("/a\0b", b"x=%ff").field("X-Bytes", b"\xff").host("other");
        let expected = b"POST /a\0b HTTP/1.1\r\nHost: other\r\nConnection: close\r\nContent-Length: 5\r\n\
            Content-Type: application/x-www-form-urlencoded\r\nX-Bytes: \xff\r\n\r\nx=%ff";
        assert_eq!(wire.bytes("localhost:1"), expected);
    }

    #[test]
    fn an_answer_is_read_apart() {
        let reply = parse(b"HTTP/1.1 400 Bad Request\r\nContent-Type: a:b\r\n\r\nbody");
        assert_eq!((reply.status, reply.header("content-type"), reply.body.as_str()), (400, Some("a:b"), "body"));
        assert_eq!(parse(b"").status, 0);
    }
}
