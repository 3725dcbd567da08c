//! A web site of a test's own, on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A request as a [`site`] gets it.
#[derive(Debug)]
pub struct Asked {
    /// The method and the target, such as `GET /page?a=b`.
    pub line: String,
    /// The body.
    pub body: String,
}

/// What a [`site`] answers: HTML, and header fields beside those that every page has.
#[derive(Debug)]
pub struct Page {
    /// The HTML.
    pub html: String,
    /// Further header fields.
    pub headers: Vec<(&'static str, String)>,
}

impl Page {
    /// A page without further header fields.
    #[must_use]
    pub fn new(html: impl Into<String>) -> Self {
        Self { html: html.into(), headers: Vec::new() }
    }
}

/// Serves on a free port until the test's process ends; the answer is the site's origin.
#[must_use]
#[track_caller]
pub fn site(answer: impl Fn(&Asked) -> Page + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("no free port: {error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            // A browser opens connections ahead of need, and leaves some unused.
            if let Some(asked) = read(&mut stream) {
                write(stream.into_inner(), &answer(&asked));
            }
        }
    });
    format!("http://{address}")
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let first = line(stream)?;
    let mut length = 0;
    loop {
        let field = line(stream)?.to_lowercase();
        if field.is_empty() {
            break;
        }
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let line = first.rsplit_once(' ')?.0.to_owned();
    Some(Asked { line, body: String::from_utf8(body).ok()? })
}

/// A line without its end; nothing where the connection ends.
fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn write(mut stream: TcpStream, page: &Page) {
    let mut head = String::from("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n");
    for (name, value) in &page.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    // A browser that has gone needs no answer.
    write!(stream, "{head}content-length: {}\r\n\r\n{}", page.html.len(), page.html).ok();
}
