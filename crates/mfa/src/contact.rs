//! Phone numbers and mail addresses: how they are checked, and how they are shown.

use std::fmt;

use countersign_outbound::Channel;
use serde::{Deserialize, Serialize};

use crate::messages::phone;

/// Where messages go: an E.164 number, or a mail address whose domain is in lower case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    channel: Channel,
    to: String,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({})", self.channel)
    }
}

impl Contact {
    /// What somebody typed, if it is a number or address that messages of this channel can go to.
    pub(crate) fn parse(channel: Channel, typed: &str) -> Option<Self> {
        let to = match channel {
            Channel::Email => mail_address(typed.trim())?,
            _ => phone::e164(typed)?,
        };
        Some(Self { channel, to })
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel
    }

    pub(crate) fn to(&self) -> &str {
        &self.to
    }

    /// Enough for its owner to know it by, and no more: `a***@example.com`, `+49…23`.
    pub(crate) fn masked(&self) -> String {
        match self.to.split_once('@') {
            Some((local, domain)) => format!("{}***@{domain}", local.chars().next().unwrap_or_default()),
            None => {
                let (country, number) = self.to.split_at(1 + country_code_digits(&self.to[1..]));
                format!("{country}…{}", &number[number.len().saturating_sub(2)..])
            }
        }
    }
}

/// How many digits the country code has that a number begins with (ITU-T E.164).
fn country_code_digits(digits: &str) -> usize {
    let two = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
        "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84",
        "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    match digits.as_bytes() {
        [b'1' | b'7', ..] => 1,
        _ if two.iter().any(|code| digits.starts_with(code)) => 2,
        _ => 3.min(digits.len()),
    }
}

/// A mail address as people have them (RFC 5321 §4.1.2, without quoted names and address literals), its domain in lower case.
fn mail_address(typed: &str) -> Option<String> {
    let (local, domain) = typed.rsplit_once('@')?;
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let good_local =
        (1..=64).contains(&local.len()) && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom));
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let good_domain = domain.contains('.') && domain.split('.').all(label);
    (good_local && good_domain && typed.len() <= 254).then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(channel: Channel, typed: &str) -> Option<String> {
        Contact::parse(channel, typed).map(|contact| contact.to)
    }

    #[test]
    fn numbers_are_brought_into_one_form() {
        for typed in ["+4915112345623", "+49 151 123 456 23", " +49-(151)/123.45623 "] {
            assert_eq!(parsed(Channel::Sms, typed).as_deref(), Some("+4915112345623"), "{typed}");
        }
        for bad in [
            "",
            "+",
            "015112345623",
            "+0491511234",
            "+49151",
            "+491511234567890123",
            "+49151a2345623",
            "+４９1511234567",
        ] {
            assert_eq!(parsed(Channel::Voice, bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_are_checked_strictly() {
        assert_eq!(parsed(Channel::Email, " Alice.B+x@EXAMPLE.com ").as_deref(), Some("Alice.B+x@example.com"));
        for bad in [
            "",
            "alice",
            "alice@",
            "@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a@example",
            "a@-x.com",
            "a@x..com",
            "a b@example.com",
            "a@example.com\r\nBcc: x@evil.example",
            "a@example.com, b@evil.example",
            "\"a@b\"@example.com",
            "a@[127.0.0.1]",
            "ä@example.com",
        ] {
            assert_eq!(parsed(Channel::Email, bad), None, "{bad}");
        }
    }

    #[test]
    fn most_of_a_contact_is_hidden() {
        let masked = |channel, to| Contact::parse(channel, to).unwrap().masked();
        assert_eq!(masked(Channel::Email, "alice@example.com"), "a***@example.com");
        assert_eq!(masked(Channel::Sms, "+4915112345623"), "+49…23");
        assert_eq!(masked(Channel::Voice, "+12025550123"), "+1…23");
        assert_eq!(masked(Channel::Sms, "+35311234567"), "+353…67");
        assert!(!format!("{:?}", Contact::parse(Channel::Sms, "+4915112345623")).contains("151"));
    }
}
