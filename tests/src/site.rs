//! A web site of a test's own, on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A request as a [`site`] gets it.
#[derive(Debug)]
pub struct Asked {
    /// The method and the target, such as `GET /page?a=b`.
    pub line: String,
    /// The header fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The first value of a header field; `name` in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What a [`site`] answers: HTML, and header fields beside those that every page has.
#[derive(Debug)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The HTML.
    pub html: String,
    /// Further header fields.
    pub headers: Vec<(&'static str, String)>,
}

impl Page {
    /// A page without further header fields.
    #[must_use]
    pub fn new(html: impl Into<String>) -> Self {
        Self { status: 200, html: html.into(), headers: Vec::new() }
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
    let mut fields = Vec::new();
    let mut length = 0;
    loop {
        let field = line(stream)?;
        let Some((name, value)) = field.split_once(':') else { break };
        let (name, value) = (name.to_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        fields.push((name, value));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let line = first.rsplit_once(' ')?.0.to_owned();
    Some(Asked { line, fields, body: String::from_utf8(body).ok()? })
}

/// A line without its end; nothing where the connection ends.
fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn write(mut stream: TcpStream, page: &Page) {
    let mut head =
        format!("HTTP/1.1 {} Answered\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n", page.status);
    for (name, value) in &page.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    // A browser that has gone needs no answer.
    write!(stream, "{head}content-length: {}\r\n\r\n{}", page.html.len(), page.html).ok();
}
