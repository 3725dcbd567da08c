//! A message as a mail (RFC 5322).

use countersign_outbound::Message;
use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, SinglePart};

use crate::SmtpError;

/// A mail, and whom it is for.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) to: Address,
    pub(crate) bytes: Vec<u8>,
}

/// Nobody's holiday note answers (RFC 3834 §5).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The language of the text (RFC 3282 §2).
#[derive(Debug, Clone)]
struct ContentLanguage(String);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(tag: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(tag.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

impl Letter {
    /// Writes a message as a mail of plain text. None if it has no good recipient.
    pub(crate) fn write(from: &Mailbox, message: &Message) -> Result<Option<Self>, SmtpError> {
        let Ok(to) = message.to().parse::<Address>() else { return Ok(None) };
        if message.to().chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Ok(None);
        }
        let subject = message.subject().unwrap_or_default();
        if subject.chars().any(char::is_control) {
            return Err(SmtpError::Content);
        }
        let mut builder = lettre::Message::builder().from(from.clone()).to(Mailbox::new(None, to.clone())).date_now();
        builder = builder.subject(subject).header(AutoSubmitted);
        if let Some(id) = message.id() {
            builder = builder.message_id(Some(format!("<{id}@{}>", from.email.domain())));
        }
        let language =
            message.language().filter(|tag| tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        if let Some(tag) = language {
            builder = builder.header(ContentLanguage(tag.to_owned()));
        }
        // Seven bits whatever the server can do; lines end as mails want it.
        let text = message.text().replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        let plain = Body::new_with_encoding(text.clone(), ContentTransferEncoding::SevenBit).ok();
        let body = match plain {
            Some(body) => body,
            // Other letters, or lines longer than RFC 2045 §6.7 likes them.
            None => Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
                .map_err(|_| SmtpError::Content)?,
        };
        let part = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body);
        let bytes = builder.singlepart(part).map_err(|_| SmtpError::Content)?.formatted();
        Ok(Some(Self { to, bytes }))
    }
}

#[cfg(test)]
mod tests {
    use countersign_outbound::{Channel, Purpose};
    use countersign_primitives::Id;

    use super::*;

    fn mail(to: &str, subject: &str, text: &str) -> Message {
        let message = Message::new(Channel::Email, Purpose::Code, to, text).subject_line(subject);
        message.with_id(Id::from_bytes([1; 16])).language_tag("de")
    }

    fn written(message: &Message) -> Result<Option<String>, SmtpError> {
        let from = "Example <no-reply@example.com>".parse().unwrap();
        Ok(Letter::write(&from, message)?.map(|letter| String::from_utf8(letter.bytes).unwrap()))
    }

    #[test]
    fn rfc5322_3_6_a_message_is_a_mail_of_plain_text() {
        let text = written(&mail("alice@example.org", "Ihr Code für Example", "747723 ist Ihr Code.\nGrüße"))
            .unwrap()
            .unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for line in [
            "To: alice@example.org",
            "Auto-Submitted: auto-generated",
            "Content-Language: de",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} in {head}");
        }
        assert!(
            head.contains("From: Example <no-reply@example.com>")
                || head.contains("From: \"Example\" <no-reply@example.com>")
        );
        assert!(head.contains(&format!("Message-ID: <{}@example.com>", Id::from_bytes([1; 16]))));
        assert!(text.is_ascii() && body.starts_with("747723 ist Ihr Code.\r\nGr"), "{body}");
    }

    #[test]
    fn rfc2045_6_7_a_text_of_long_lines_is_a_mail_of_short_ones() {
        for length in [70, 75, 76, 77, 200, 900, 5_000] {
            let line = "word ".repeat(length / 5);
            let text = written(&mail("alice@example.org", "a", &format!("{line}\n747723\n"))).unwrap().unwrap();
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(body.split("\r\n").all(|line| line.len() <= 76) && body.contains("\r\n747723"), "{body}");
            assert_eq!(body.replace("=\r\n", "").replace("=20", " ").lines().next(), Some(line.as_str()), "{length}");
        }
    }

    #[test]
    fn m32_no_subject_and_no_address_injects_a_header() {
        for subject in ["a\r\nBcc: eve@example.org", "a\nBcc: x", "a\r\n\r\nbody", "a\u{0}b"] {
            assert_eq!(written(&mail("alice@example.org", subject, "x")), Err(SmtpError::Content), "{subject:?}");
        }
        for to in [
            "alice@example.org\r\nBcc: eve@example.org",
            "alice@example.org>\r\nRCPT TO:<eve@example.org",
            "alice@example.org, eve@example.org",
            "Eve <eve@example.org>",
            "alice",
            "",
        ] {
            assert_eq!(written(&mail(to, "a", "x")), Ok(None), "{to:?}");
        }
        let text = written(&mail("alice@example.org", "a", "x\r\n.\r\nMAIL FROM:<eve@example.org>")).unwrap().unwrap();
        assert!(text.trim_end().ends_with("x\r\n.\r\nMAIL FROM:<eve@example.org>")); // dots are doubled where it is sent
    }
}
