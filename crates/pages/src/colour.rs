//! Colours, and whether text can be read on them (WCAG 2.2 §1.4.3).

use crate::PagesError;

/// The contrast that text needs against what is behind it (WCAG 2.2 §1.4.3, level AA).
const READABLE: f64 = 4.5;

/// A colour of the sRGB space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour([u8; 3]);

impl Colour {
    pub(crate) const BLACK: Self = Self([0; 3]);
    pub(crate) const WHITE: Self = Self([255; 3]);

    /// Reads `#rgb` or `#rrggbb`.
    pub(crate) fn parse(text: &str) -> Result<Self, PagesError> {
        let wrong = || PagesError::Colour(text.to_owned());
        let digits = text.strip_prefix('#').ok_or_else(wrong)?;
        let nibbles: Option<Vec<u8>> = digits.chars().map(nibble).collect();
        match nibbles.as_deref() {
            Some(&[r, g, b]) => Ok(Self([r * 17, g * 17, b * 17])),
            Some(&[r, s, g, h, b, c]) => Ok(Self([r * 16 + s, g * 16 + h, b * 16 + c])),
            _ => Err(wrong()),
        }
    }

    /// The contrast of the two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Black or white, whichever is read better on this colour; one of them always is.
    pub(crate) fn text_on(self) -> Self {
        if self.contrast(Self::WHITE) >= READABLE { Self::WHITE } else { Self::BLACK }
    }

    /// The nearest shade of this colour that is read well on `background`.
    pub(crate) fn readable_on(self, background: Self) -> Self {
        let towards = background.text_on();
        let shades = (0..=20_u16).map(|step| self.mixed(towards, step));
        shades.into_iter().find(|shade| shade.contrast(background) >= READABLE).unwrap_or(towards)
    }

    /// This colour with `twentieths` of another in it.
    fn mixed(self, other: Self, twentieths: u16) -> Self {
        let mix = |a: u8, b: u8| (u16::from(a) * (20 - twentieths) + u16::from(b) * twentieths) / 20;
        let ([r, g, b], [s, h, c]) = (self.0, other.0);
        Self([mix(r, s), mix(g, h), mix(b, c)].map(|part| u8::try_from(part).unwrap_or(u8::MAX)))
    }

    /// How bright the colour is, 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

fn nibble(digit: char) -> Option<u8> {
    digit.to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_nothing_else() {
        assert_eq!(Colour::parse("#0af").unwrap(), Colour::parse("#00AAFF").unwrap());
        for wrong in ["", "#", "red", "00aaff", "#00aaf", "#00aaffff", "#gggggg", "#fff;}"] {
            assert!(Colour::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn wcag_1_4_3_contrast_of_black_and_white_is_21() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 0.01);
    }

    #[test]
    fn wcag_1_4_3_any_accent_yields_readable_text_and_links() {
        let dark = Colour::parse("#1b2029").unwrap();
        for accent in ["#ff0", "#00f", "#777", "#fff", "#000", "#e91e63", "#2450b8", "#767676"] {
            let accent = Colour::parse(accent).unwrap();
            assert!(accent.contrast(accent.text_on()) >= READABLE, "{accent}");
            for background in [Colour::WHITE, dark] {
                assert!(accent.readable_on(background).contrast(background) >= READABLE, "{accent}");
            }
        }
    }
}
