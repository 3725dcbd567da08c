//! The cookies of one browser.

use std::collections::BTreeMap;

use crate::http::Reply;

/// The cookies that one site gave to one browser.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    cookies: BTreeMap<String, String>,
}

impl Jar {
    /// Keeps what an answer sets, and forgets what it takes back.
    pub fn keep(&mut self, reply: &Reply) {
        let set = reply.headers.iter().filter(|(name, _)| name == "set-cookie");
        for (_, line) in set {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            if attributes.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The value of the header `Cookie`; empty while there is none.
    #[must_use]
    pub fn line(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_taken_back() {
        let reply = |line: &str| Reply {
            status: 200,
            headers: vec![("set-cookie".to_owned(), line.to_owned())],
            body: String::new(),
        };
        let mut jar = Jar::default();
        assert_eq!(jar.line(), "");
        jar.keep(&reply("a=1; Path=/; HttpOnly"));
        jar.keep(&reply("b=2"));
        jar.keep(&reply("a=3; Max-Age=60"));
        assert_eq!(jar.line(), "a=3; b=2");
        jar.keep(&reply("b=; Max-Age=0"));
        assert_eq!(jar.line(), "a=3");
    }
}
