//! The browser itself, on a page of our own: when this fails, the other tests of a browser say nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use countersign_tests::{Browser, artifact};

const FORM: &str = r#"<!doctype html><html lang="en"><title>A form</title><body>
    <h1>A form</h1>
    <form method="post" action="/done">
      <label>Name <input name="name" autocomplete="username" value="old"></label>
      <button type="button">Help</button> <button name="answer" value="yes">Go on</button> <button name="answer" value="no">No</button>
    </form>
    <p id="late"></p><script>setTimeout(() => { late.textContent = "now"; late.className = "shown"; }, 300);</script>"#;

/// Serves the form, and says what was posted.
fn site() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(BufReader::new(stream.unwrap()))));
    format!("http://{address}/")
}

fn serve(mut stream: BufReader<TcpStream>) {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        // A browser opens connections ahead of need, and leaves some unused.
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let posted = format!("<!doctype html><title>Done</title><p id=\"posted\">{}</p>", String::from_utf8(body).unwrap());
    let page = if head.starts_with("POST /done ") { &posted } else { FORM };
    let head =
        format!("content-type: text/html\r\ncontent-length: {}\r\nset-cookie: seen=1\r\nconnection: close", page.len());
    write!(stream.get_mut(), "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{page}").unwrap();
}

#[test]
fn a_page_is_read_and_its_form_is_sent() {
    let site = site();
    let browser = Browser::start("harness");
    browser.goto(&site);
    assert_eq!(browser.url(), site);
    assert!(browser.text().contains("A form"));
    let field = browser.wait_for("input[name=name]");
    assert_eq!(field.attribute("autocomplete").as_deref(), Some("username"));
    assert_eq!(field.attribute("placeholder"), None);
    field.type_text("alice");
    browser.screenshot("form");
    browser.agree();
    assert_eq!(browser.wait_for("#posted").text(), "name=alice&answer=yes");
    assert_eq!(browser.wait_for_url(&format!("{site}done")), format!("{site}done"));
    let picture = std::fs::read(artifact("harness-form.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn what_comes_late_is_waited_for_and_what_is_absent_is_told() {
    let browser = Browser::start("harness-late");
    browser.goto(&site());
    assert!(browser.find("#nowhere").is_none());
    assert_eq!(browser.wait_for("#late.shown").text(), "now");
    assert_eq!(browser.wait_for_button("go ON").attribute("value").as_deref(), Some("yes"));
    assert_eq!(browser.execute("return document.cookie"), "seen=1");
    browser.forget_cookies();
    assert_eq!(browser.execute("return document.cookie"), "");
}
