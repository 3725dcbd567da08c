//! What a browser says of itself, in the few words by which its user knows it again.

/// The most that is read of a `User-Agent`.
const LONGEST: usize = 512;

/// Of two names that stand in one text the earlier one counts: browsers name each other to please servers.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// The browser and the system of a `User-Agent` (RFC 9110 §10.1.5), such as `Firefox on Linux`; none where neither is known. Anybody can
/// send anything: it is for people to read, and nothing rests on it. It holds no word of the text itself.
///
/// ```
/// use countersign_primitives::describe_user_agent;
///
/// let text = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// assert_eq!(describe_user_agent(text).as_deref(), Some("Firefox on Linux"));
/// assert_eq!(describe_user_agent("<script>"), None);
/// ```
#[must_use]
pub fn describe_user_agent(text: &str) -> Option<String> {
    let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    let text = &text[..end];
    let named =
        |names: &[(&str, &'static str)]| names.iter().find(|(token, _)| text.contains(token)).map(|(_, name)| *name);
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(only), None) | (None, Some(only)) => Some(only.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_the_name_that_users_know_them_by() {
        for (text, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 CriOS/126.0 Mobile Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
        ] {
            assert_eq!(describe_user_agent(text).as_deref(), Some(name), "{text}");
        }
    }

    #[test]
    fn promise_7_whatever_a_browser_says_its_name_is_short_and_ours() {
        let long = "é".repeat(LONGEST) + "Firefox/1";
        for text in ["", "\u{0}\n\r", "<b>Firefox</b>", &long, "Firefox/<script>alert(1)</script> (Windows)"] {
            let name = describe_user_agent(text).unwrap_or_default();
            assert!(["", "Firefox on Windows"].contains(&name.as_str()), "{name}");
        }
    }
}
