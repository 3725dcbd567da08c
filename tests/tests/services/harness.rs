//! The browser itself, on a page of our own: when this fails, the other tests of a browser say nothing.

use countersign_tests::{Browser, Page, artifact, site};

const FORM: &str = r#"<!doctype html><html lang="en"><title>A form</title><body>
    <h1>A form</h1>
    <form method="post" action="/done">
      <label>Name <input name="name" autocomplete="username" value="old"></label>
      <button type="button">Help</button> <button name="answer" value="yes">Go on</button> <button name="answer" value="no">No</button>
    </form>
    <p id="late"></p><script>setTimeout(() => { late.textContent = "now"; late.className = "shown"; }, 300);</script>"#;

/// The form, and a page that says what was posted.
fn form() -> String {
    let origin = site(|asked| match asked.line.as_str() {
        "POST /done" => Page::new(format!("<!doctype html><title>Done</title><p id=\"posted\">{}</p>", asked.body)),
        _ => Page { headers: vec![("set-cookie", "seen=1".into())], ..Page::new(FORM) },
    });
    format!("{origin}/")
}

#[test]
fn a_page_is_read_and_its_form_is_sent() {
    let form = form();
    let browser = Browser::start("harness");
    browser.goto(&form);
    assert_eq!(browser.url(), form);
    assert!(browser.text().contains("A form"));
    let field = browser.wait_for("input[name=name]");
    assert_eq!(field.attribute("autocomplete").as_deref(), Some("username"));
    assert_eq!(field.attribute("placeholder"), None);
    field.type_text("alice");
    browser.screenshot("form");
    browser.agree();
    assert_eq!(browser.wait_for("#posted").text(), "name=alice&answer=yes");
    assert_eq!(browser.wait_for_url(&format!("{form}done")), format!("{form}done"));
    let picture = std::fs::read(artifact("harness-form.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn what_comes_late_is_waited_for_and_what_is_absent_is_told() {
    let browser = Browser::start("harness-late");
    browser.goto(&form());
    assert!(browser.find("#nowhere").is_none());
    assert_eq!(browser.wait_for("#late.shown").text(), "now");
    assert_eq!(browser.wait_for_button("go ON").attribute("value").as_deref(), Some("yes"));
    assert_eq!(browser.execute("return document.cookie"), "seen=1");
    browser.forget_cookies();
    assert_eq!(browser.execute("return document.cookie"), "");
}
