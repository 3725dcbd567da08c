//! Mails to a real SMTP server on loopback: what arrives, and every way in which it does not.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod server;

use std::error::Error as _;
use std::time::{Duration, Instant};

use countersign_delivery_smtp::{Smtp, SmtpError, SmtpStep};
use countersign_outbound::{Channel, Message, MessageSender as _, Purpose, SendError};
use server::{Server, Tls};

const LOGIN: Option<&str> = Some("mailer:correct horse");

fn mail(to: &str) -> Message {
    let text = "747723 is your Example code.\n\nIt is valid for 5 minutes.";
    Message::new(Channel::Email, Purpose::Code, to, text).subject_line("747723 is your Example code").code("747723")
}

fn smtp(server: &Server, scheme: &str) -> Smtp {
    let address = format!("{scheme}://localhost:{}", server.port);
    Smtp::new(&address, "Example <no-reply@example.com>").unwrap().trust(server.authority.as_bytes()).unwrap()
}

fn cause(error: &SendError) -> SmtpError {
    *error.source().and_then(|source| source.downcast_ref::<SmtpError>()).unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test]
async fn rfc8314_3_3_a_mail_arrives_by_tls_from_the_first_byte() {
    let server = Server::start(Tls::Wrapped, &["localhost"], LOGIN);
    let smtp = smtp(&server, "smtps").login("mailer", "correct horse");
    smtp.send(&mail("alice@example.org")).await.unwrap();
    let arrived = server.mail();
    for part in [
        r#""sender": "no-reply@example.com""#,
        r#""to": ["alice@example.org"]"#,
        "Subject: 747723 is your Example code",
        r"747723 is your Example code.\r\n\r\nIt is valid for 5 minutes.",
        "Auto-Submitted: auto-generated",
        r#""tls": true"#,
        r#""user": "mailer""#,
    ] {
        assert!(arrived.contains(part), "{part} in {arrived}");
    }
}

#[tokio::test]
async fn rfc3207_4_a_mail_arrives_by_starttls() {
    let server = Server::start(Tls::Starttls, &["localhost"], LOGIN);
    let smtp = smtp(&server, "smtp").login("mailer", "correct horse");
    smtp.send(&mail("alice@example.org")).await.unwrap();
    assert!(server.mail().contains(r#""tls": true"#));
}

#[tokio::test]
async fn one_connection_serves_several_mails_in_a_row() {
    let server = Server::start(Tls::Wrapped, &["localhost"], None);
    let smtp = smtp(&server, "smtps");
    let mut peers = Vec::new();
    for count in 0..3 {
        smtp.send(&mail(&format!("a{count}@example.org"))).await.unwrap();
        let arrived = server.mail();
        peers.push(arrived.split(r#""peer": "#).nth(1).unwrap().split(',').next().unwrap().to_owned());
    }
    assert!(peers.iter().all(|peer| *peer == peers[0]), "{peers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_7_no_more_mails_go_on_at_once_than_there_may_be_connections() {
    let server = Server::start(Tls::None, &["localhost"], None);
    let smtp = smtp(&server, "smtp").connections(2).time_limit(Duration::from_secs(30));
    let all = (0..12).map(|count| {
        let smtp = smtp.clone();
        tokio::spawn(async move { smtp.send(&mail(&format!("a{count}@example.org"))).await })
    });
    for task in all.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    let mails: Vec<_> = (0..12).map(|_| server.mail()).collect();
    assert!(mails.iter().all(|mail| mail.contains(r#""peak": 1"#) || mail.contains(r#""peak": 2"#)), "{mails:?}");
}

#[tokio::test]
async fn a_wrong_password_is_final_and_says_so_without_the_password() {
    let server = Server::start(Tls::Wrapped, &["localhost"], LOGIN);
    let error = smtp(&server, "smtps").login("mailer", "hunter2").send(&mail("alice@example.org")).await.unwrap_err();
    assert_eq!(cause(&error), SmtpError::Refused { step: SmtpStep::Login, code: 535 });
    assert!(!error.is_transient() && !format!("{error:?} {error}").contains("hunter2"));
    let error = smtp(&server, "smtps").send(&mail("alice@example.org")).await.unwrap_err(); // no login at all
    assert_eq!(cause(&error), SmtpError::Refused { step: SmtpStep::Sender, code: 530 });
    assert!(server.took_no_more());
}

#[tokio::test]
async fn rfc5321_4_2_1_what_the_server_refuses_is_told_by_its_code() {
    let server = Server::start(Tls::None, &["localhost"], None);
    let smtp = smtp(&server, "smtp");
    for to in ["nobody@example.org", "moved@example.org"] {
        assert!(matches!(smtp.send(&mail(to)).await, Err(SendError::Unreachable)), "{to}");
    }
    for to in ["grey@example.org", "full@example.org", "later@example.org"] {
        assert!(matches!(smtp.send(&mail(to)).await, Err(SendError::Busy)), "{to}");
    }
    let error = smtp.send(&mail("policy@example.org")).await.unwrap_err();
    assert_eq!(cause(&error), SmtpError::Refused { step: SmtpStep::Recipient, code: 554 });
    let error = smtp.send(&mail("spam@example.org")).await.unwrap_err();
    assert_eq!(cause(&error), SmtpError::Refused { step: SmtpStep::Data, code: 550 });
    assert!(!format!("{error:?} {error}").contains("747723"), "the server quotes the mail, and the error does not");
    let unknown = Smtp::new(&format!("smtp://localhost:{}", server.port), "unknown@example.com").unwrap();
    let error = unknown.send(&mail("alice@example.org")).await.unwrap_err();
    assert_eq!(cause(&error), SmtpError::Refused { step: SmtpStep::Sender, code: 550 });
    smtp.send(&mail("alice@example.org")).await.unwrap(); // and afterwards all is well
    assert!(server.mail().contains("alice@example.org") && server.took_no_more());
}

#[tokio::test]
async fn a_certificate_that_is_not_good_gets_no_mail() {
    for (tls, scheme) in [(Tls::Wrapped, "smtps"), (Tls::Starttls, "smtp")] {
        let server = Server::start(tls, &["mail.example.net"], LOGIN); // another name
        let smtp = smtp(&server, scheme).login("mailer", "correct horse");
        assert_eq!(cause(&smtp.send(&mail("alice@example.org")).await.unwrap_err()), SmtpError::Tls, "{tls:?}");
        let server = Server::start(tls, &["localhost"], LOGIN); // an authority that nobody told us to trust
        let address = format!("{scheme}://localhost:{}", server.port);
        let smtp = Smtp::new(&address, "a@example.com").unwrap().login("mailer", "correct horse");
        assert_eq!(cause(&smtp.send(&mail("alice@example.org")).await.unwrap_err()), SmtpError::Tls, "{tls:?}");
        assert!(server.took_no_more());
    }
}

#[tokio::test]
async fn rfc3207_6_without_starttls_nothing_is_sent_in_the_clear() {
    let server = Server::start(Tls::None, &["localhost"], None);
    let elsewhere = format!("smtp://0.0.0.0:{}", server.port); // not a loopback address by its looks
    let smtp = Smtp::new(&elsewhere, "a@example.com").unwrap();
    let error = smtp.send(&mail("alice@example.org")).await.unwrap_err();
    assert_eq!(cause(&error), SmtpError::NoStartTls);
    assert!(server.took_no_more());
    smtp.danger_plain().send(&mail("alice@example.org")).await.unwrap();
    assert!(server.mail().contains(r#""tls": false"#));
}

#[tokio::test]
async fn promise_7_a_server_that_does_not_answer_costs_no_more_than_the_time_limit() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("smtp://{}", silent.local_addr().unwrap());
    let smtp = Smtp::new(&address, "a@example.com").unwrap().time_limit(Duration::from_millis(200));
    let began = Instant::now();
    assert_eq!(cause(&smtp.send(&mail("alice@example.org")).await.unwrap_err()), SmtpError::Timeout);
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(silent);
    let gone = smtp.send(&mail("alice@example.org")).await.unwrap_err();
    assert!(matches!(cause(&gone), SmtpError::Connection(SmtpStep::Hello)) && gone.is_transient());
}

#[tokio::test]
async fn a_mail_that_was_cut_off_is_never_mixed_with_the_next() {
    let server = Server::start(Tls::Wrapped, &["localhost"], None);
    let smtp = smtp(&server, "smtps").time_limit(Duration::from_secs(2));
    smtp.send(&mail("first@example.org")).await.unwrap();
    assert_eq!(cause(&smtp.send(&mail("slow@example.org")).await.unwrap_err()), SmtpError::Timeout);
    smtp.send(&mail("second@example.org")).await.unwrap();
    assert!(server.mail().contains(r#""to": ["first@example.org"]"#));
    let second = server.mail();
    assert!(second.contains(r#""to": ["second@example.org"]"#) && !second.contains("slow@"), "{second}");
}

#[tokio::test]
async fn m32_no_text_subject_or_address_injects_a_header_a_command_or_a_mail() {
    let server = Server::start(Tls::None, &["localhost"], None);
    let smtp = smtp(&server, "smtp");
    for to in ["alice@example.org\r\nRCPT TO:<eve@example.org>", "alice@example.org>\r\nDATA", "a@b,eve@example.org"] {
        assert!(matches!(smtp.send(&mail(to)).await, Err(SendError::Unreachable)), "{to:?}");
    }
    let subject = mail("alice@example.org").subject_line("x\r\nBcc: eve@example.org");
    assert_eq!(cause(&smtp.send(&subject).await.unwrap_err()), SmtpError::Content);
    let text = "x\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\ny";
    smtp.send(&Message::new(Channel::Email, Purpose::Code, "alice@example.org", text)).await.unwrap();
    let arrived = server.mail();
    assert!(
        arrived.contains(r#""to": ["alice@example.org"]"#) && arrived.contains(r"x\r\n.\r\nMAIL FROM:<a@b>"),
        "{arrived}"
    );
    assert!(server.took_no_more());
    let sms = Message::new(Channel::Sms, Purpose::Code, "+4915112345678", "x");
    assert_eq!(cause(&smtp.send(&sms).await.unwrap_err()), SmtpError::Channel);
}
