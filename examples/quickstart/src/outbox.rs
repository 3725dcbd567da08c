//! Where outgoing messages go: a folder with one JSON file each, and a page that shows them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use countersign::UnixTime;
use countersign::oauth::answer::escape;
use countersign::outbound::{Message, MessageSender, SendError};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::demo::page;

/// The most messages that the page shows, the newest first.
const SHOWN: usize = 50;
/// A larger file in the folder is none of ours.
const LARGEST: u64 = 64 * 1024;

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingMessage {
    /// How it would travel: `email`, `sms`, `voice`.
    pub channel: String,
    /// Whom it is for.
    pub to: String,
    /// Its subject, where the channel has one.
    pub subject: Option<String>,
    /// Its text.
    pub text: String,
    /// The code in it, if there is one.
    pub code: Option<String>,
    /// When it was written, in milliseconds since 1970.
    pub at: UnixTime,
}

/// The folder. A cheap clone.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    next: AtomicU64,
}

impl Outbox {
    /// The outbox in this folder, which is there already.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(Arc::new(Inner { folder: folder.to_owned(), next: AtomicU64::new(0) }))
    }

    /// Writes a message. Its file appears whole or not at all, and its name sorts by time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, message: &OutgoingMessage) -> io::Result<PathBuf> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:015}-{:05}-{number:05}", message.at.as_millis(), std::process::id());
        let (draft, path) = (self.0.folder.join(format!(".{name}")), self.0.folder.join(format!("{name}.json")));
        let written = private_file(&draft).and_then(|mut file| file.write_all(&serde_json::to_vec_pretty(message)?));
        match written.and_then(|()| fs::rename(&draft, &path)) {
            Ok(()) => Ok(path),
            Err(error) => {
                let _ = fs::remove_file(&draft);
                Err(error)
            }
        }
    }

    /// The same, apart from the threads that serve.
    pub(crate) async fn put_apart(&self, message: OutgoingMessage) -> io::Result<PathBuf> {
        let outbox = self.clone();
        let written = tokio::task::spawn_blocking(move || outbox.put(&message)).await;
        written.map_err(io::Error::other)?
    }

    /// The newest messages, the newest first.
    ///
    /// # Errors
    /// When the folder cannot be read. Files in it that are no messages are passed over.
    pub fn newest(&self, most: usize) -> io::Result<Vec<OutgoingMessage>> {
        let entries = fs::read_dir(&self.0.folder)?.filter_map(Result::ok).map(|entry| entry.path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
        files.sort_unstable_by(|a, b| b.cmp(a));
        Ok(files.iter().filter_map(|path| read(path)).take(most).collect())
    }

    /// The page at `/outbox`.
    pub fn routes(&self) -> Router {
        Router::new().route("/outbox", get(show)).with_state(self.clone())
    }
}

/// In the demo every message arrives: in the folder.
#[async_trait]
impl MessageSender for Outbox {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let message = OutgoingMessage {
            channel: message.channel().as_str().to_owned(),
            to: message.to().to_owned(),
            subject: message.subject().map(str::to_owned),
            text: message.text().to_owned(),
            code: message.code_text().map(str::to_owned),
            at: SystemTime::now().into(),
        };
        self.put_apart(message).await.map(drop).map_err(SendError::unavailable)
    }
}

async fn show(State(outbox): State<Outbox>) -> Response {
    let read = tokio::task::spawn_blocking(move || outbox.newest(SHOWN)).await;
    let Ok(Ok(messages)) = read else {
        let body = "<h1>Outbox</h1>\n<p class=\"error\" role=\"alert\">The outbox cannot be read.</p>\n";
        return page::html(StatusCode::INTERNAL_SERVER_ERROR, "Outbox", body);
    };
    let mut body = "<h1>Outbox</h1>\n<p class=\"quiet\">What would have been sent, the newest first.</p>\n".to_owned();
    if messages.is_empty() {
        body.push_str("<p>Nothing yet.</p>\n");
    }
    for message in messages {
        let subject = message.subject.as_deref().unwrap_or("Message");
        body.push_str(&format!(
            "<section><h2>{}</h2><p class=\"quiet\">{} to <bdi>{}</bdi>, {}</p><p class=\"message\">{}</p></section>\n",
            escape(subject),
            escape(&message.channel),
            escape(&message.to),
            humantime::format_rfc3339_seconds(message.at.into()),
            escape(&message.text)
        ));
    }
    page::html(StatusCode::OK, "Outbox", &body)
}

fn read(path: &Path) -> Option<OutgoingMessage> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// A new file that its owner alone can read.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use countersign::outbound::{Channel, Purpose};

    use super::*;
    use crate::testing::TempDir;

    fn message(at: u64, text: &str) -> OutgoingMessage {
        OutgoingMessage {
            channel: "email".into(),
            to: "alice@example.com".into(),
            subject: None,
            text: text.into(),
            code: Some("492039".into()),
            at: UnixTime::from_secs(at),
        }
    }

    #[test]
    fn messages_are_files_with_the_members_that_tests_read() {
        let dir = TempDir::new();
        let path = Outbox::new(dir.path()).put(&message(5, "Hello")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"channel": "email", "to": "alice@example.com", "subject": null, "text": "Hello",
                "code": "492039", "at": 5000})
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn the_newest_come_first_and_other_files_are_passed_over() {
        let dir = TempDir::new();
        let outbox = Outbox::new(dir.path());
        for (at, text) in [(1, "one"), (30, "three"), (2, "two"), (30, "four")] {
            outbox.put(&message(at, text)).unwrap();
        }
        fs::write(dir.path().join("9.json"), "no message").unwrap();
        fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let texts: Vec<_> = outbox.newest(3).unwrap().into_iter().map(|message| message.text).collect();
        assert_eq!(texts, ["four", "three", "two"]);
    }

    #[tokio::test]
    async fn a_message_that_is_sent_is_a_file() {
        let dir = TempDir::new();
        let outbox = Outbox::new(dir.path());
        let message = Message::new(Channel::Sms, Purpose::Code, "+4930901820", "492039 is your code").code("492039");
        outbox.send(&message).await.unwrap();
        let read = outbox.newest(1).unwrap().remove(0);
        assert_eq!(
            (read.channel.as_str(), read.to.as_str(), read.code.as_deref()),
            ("sms", "+4930901820", Some("492039"))
        );
        fs::remove_dir_all(dir.path()).unwrap();
        assert!(matches!(outbox.send(&message).await, Err(SendError::Unavailable(_))));
        fs::create_dir(dir.path()).unwrap();
    }

    #[tokio::test]
    async fn a_message_cannot_become_part_of_the_page() {
        let dir = TempDir::new();
        let outbox = Outbox::new(dir.path());
        outbox.put(&message(1, "<script>alert(1)</script>")).unwrap();
        let page = show(State(outbox)).await;
        let html = axum::body::to_bytes(page.into_body(), 100_000).await.unwrap();
        let html = std::str::from_utf8(&html).unwrap();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
    }
}
