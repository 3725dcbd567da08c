//! The one style sheet, and the hash that lets it through a content security policy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::PagesError;
use crate::colour::Colour;

const SHEET: &str = include_str!("../templates/style.css");

/// What links stand on in dark mode: `--card` of the sheet's dark half.
const DARK_CARD: &str = "#1b2029";

/// The style sheet of every page: the default one and what the host adds.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    accent: String,
    added: String,
    sheet: String,
    hash: String,
}

/// The hash of what stands in a page, as a policy's source (Content Security Policy Level 3 §2.3.1).
pub(crate) fn hash_of(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

impl Default for Style {
    fn default() -> Self {
        Self::of(String::new(), String::new())
    }
}

impl Style {
    fn of(accent: String, added: String) -> Self {
        let sheet = format!("{SHEET}{accent}{added}");
        let hash = hash_of(&sheet);
        Self { accent, added, sheet, hash }
    }

    /// Buttons and links in this colour, shaded where it would be hard to read.
    pub(crate) fn set_accent(&mut self, colour: Colour) {
        let on = colour.text_on();
        let light = colour.readable_on(Colour::WHITE);
        let dark = colour.readable_on(Colour::parse(DARK_CARD).unwrap_or(Colour::BLACK));
        let accent = format!(
            ":root {{ --accent: {colour}; --on-accent: {on}; --link: {light}; }}\n\
             @media (prefers-color-scheme: dark) {{ :root {{ --link: {dark}; }} }}\n"
        );
        *self = Self::of(accent, std::mem::take(&mut self.added));
    }

    /// Adds the host's own rules after all others.
    pub(crate) fn add(&mut self, sheet: &str) -> Result<(), PagesError> {
        let lower = sheet.to_ascii_lowercase();
        if lower.contains("</style") || lower.contains("<!--") {
            return Err(PagesError::Style);
        }
        // A browser reads these line ends as one and would hash another text than we did.
        let sheet = sheet.replace("\r\n", "\n").replace(['\r', '\0'], "\n");
        let added = format!("{}{sheet}\n", self.added);
        *self = Self::of(std::mem::take(&mut self.accent), added);
        Ok(())
    }

    pub(crate) fn sheet(&self) -> &str {
        &self.sheet
    }

    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of the sheet's light half, then of its dark half laid over it.
    fn palettes() -> [Vec<(&'static str, Colour)>; 2] {
        let (light, rest) = SHEET.split_once("@media").unwrap();
        let dark = rest.split_once("\n}").unwrap().0;
        let colours = |text: &'static str| -> Vec<_> {
            let variables = text.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": "));
            variables.map(|(name, value)| (name, Colour::parse(value.trim_end_matches(';')).unwrap())).collect()
        };
        let light = colours(light);
        let mut both = colours(dark);
        both.extend(light.iter().copied());
        [light, both]
    }

    #[test]
    fn wcag_1_4_3_and_1_4_11_the_default_colours_can_be_read() {
        for palette in palettes() {
            let colour = |name| palette.iter().find(|entry| entry.0 == name).unwrap().1;
            for (text, behind) in [
                ("text", "card"),
                ("text", "page"),
                ("text", "soft"),
                ("quiet", "card"),
                ("link", "card"),
                ("bad", "bad-card"),
                ("on-accent", "accent"),
            ] {
                assert!(colour(text).contrast(colour(behind)) >= 4.5, "{text} on {behind}");
            }
            for (edge, behind) in [("line", "card"), ("bad", "card"), ("link", "card")] {
                assert!(colour(edge).contrast(colour(behind)) >= 3.0, "{edge} on {behind}");
            }
        }
    }

    #[test]
    fn the_dark_card_is_the_sheets_own() {
        let [_, dark] = palettes();
        assert_eq!(dark.iter().find(|entry| entry.0 == "card").unwrap().1, Colour::parse(DARK_CARD).unwrap());
    }

    #[test]
    fn csp3_2_3_1_the_hash_is_of_the_sheet_as_it_stands_in_the_page() {
        let mut style = Style::default();
        let before = style.hash().to_owned();
        style.add("h1 { color: red }\r\n").unwrap();
        assert_ne!(style.hash(), before);
        assert!(!style.sheet().contains('\r'));
        assert_eq!(style.hash(), format!("sha256-{}", STANDARD.encode(digest(&SHA256, style.sheet().as_bytes()))));
    }

    #[test]
    fn accent_and_added_rules_stand_together_in_either_order() {
        let accent = Colour::parse("#0b6e4f").unwrap();
        let (mut one, mut other) = (Style::default(), Style::default());
        one.set_accent(accent);
        one.add("b {}").unwrap();
        other.add("b {}").unwrap();
        other.set_accent(accent);
        assert_eq!(one.sheet(), other.sheet());
    }

    #[test]
    fn a_sheet_cannot_end_its_element() {
        for bad in ["</style><script>", "</STYLE >", "<!-- x"] {
            assert!(matches!(Style::default().add(bad), Err(PagesError::Style)), "{bad}");
        }
    }
}
