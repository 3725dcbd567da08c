//! Which language a user reads.

use serde::{Deserialize, Serialize};

/// The languages somebody reads, the dearest first (BCP 47 tags).
///
/// Several sources are put in a row, each after what is more certain: for a message to the owner of an account its own `locale`
/// claim first, then what the application asked for, then the browser's.
///
/// ```
/// use countersign_mfa::Languages;
///
/// let languages = Languages::of("de-CH") // the `locale` claim, or `ui_locales` with spaces between (OpenID Connect Core §3.1.2.1)
///     .then(Languages::accept("fr;q=0.5, it")); // an `Accept-Language` header (RFC 9110 §12.5.4)
/// assert_eq!(languages.tags().collect::<Vec<_>>(), ["de-CH", "it", "fr"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Languages(Vec<String>);

impl Languages {
    /// So many tags are read; what comes after is left out.
    pub const MAX: usize = 16;

    /// Tags with spaces between, as in `ui_locales`; a `locale` claim is one of them. What is no tag is left out.
    #[must_use]
    pub fn of(tags: &str) -> Self {
        Self(tags.split_ascii_whitespace().take(Self::MAX).filter_map(tag).collect())
    }

    /// The header `Accept-Language`, by weight; what weighs nothing is left out.
    #[must_use]
    pub fn accept(header: &str) -> Self {
        let ranges = header.split(',').take(Self::MAX).filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let tag = tag(parts.next()?)?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1_000), thousandths)?;
            (weight > 0).then_some((weight, tag))
        });
        let mut ranges: Vec<_> = ranges.collect();
        ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight)); // stable: equals stay in their order
        Self(ranges.into_iter().map(|(_, tag)| tag).collect())
    }

    /// These, and after them those.
    #[must_use]
    pub fn then(mut self, less_dear: Self) -> Self {
        self.0.extend(less_dear.0);
        self.0.truncate(Self::MAX);
        self
    }

    /// The tags, the dearest first.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The first of these tags that `speaks` knows: each is tried whole, then cut short from its end (RFC 4647 §3.4).
    pub(super) fn lookup<T>(&self, speaks: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.tags().find_map(|tag| {
            let mut tag = tag.to_ascii_lowercase();
            loop {
                if let Some(found) = speaks(&tag) {
                    return Some(found);
                }
                tag.truncate(tag.rfind('-')?);
            }
        })
    }
}

/// A well-formed tag (RFC 5646 §2.1). An underscore is read as a hyphen (OpenID Connect Core §5.1, `locale`).
pub(super) fn tag(text: &str) -> Option<String> {
    let tag = text.replace('_', "-");
    let good = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (tag.len() <= 35 && tag.split('-').all(good)).then_some(tag)
}

/// A weight (RFC 9110 §12.4.2) in thousandths.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().ok().filter(|_| digits && part.len() <= 3)?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_12_5_4_a_header_is_read_by_weight_and_rubbish_is_left_out() {
        let read = |header: &str| Languages::accept(header).0;
        assert_eq!(read("da, en-GB;q=0.8, en;q=0.7"), ["da", "en-GB", "en"]);
        assert_eq!(read("en;q=0.1, de;q=0.15, fr ; q=1.000"), ["fr", "de", "en"]);
        assert_eq!(read("en;q=0, *;q=0.5, x y, de;q=2, fr;q=0.1234, ;;;, it"), ["it"]);
        assert_eq!(read(&"de,".repeat(1_000)).len(), Languages::MAX);
    }

    #[test]
    fn rfc4647_3_4_a_tag_is_looked_up_whole_then_cut_short() {
        let speaks = |tag: &str| ["en", "de"].into_iter().find(|spoken| *spoken == tag);
        assert_eq!(Languages::of("fr de_CH-1996 en").lookup(speaks), Some("de"));
        assert_eq!(Languages::of("EN-gb").lookup(speaks), Some("en"));
        assert_eq!(Languages::of("fr \r\n it").lookup(speaks), None);
    }

    #[test]
    fn what_is_no_tag_is_left_out() {
        assert_eq!(Languages::of("de\u{e4} a-b--c waytoolongpart en-").0, Vec::<String>::new());
        assert_eq!(Languages::of(&"en ".repeat(100)).0.len(), Languages::MAX);
    }
}
