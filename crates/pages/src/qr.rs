//! QR codes as inline SVG (ISO/IEC 18004).

use qrcode::types::Color;
use qrcode::{EcLevel, QrCode};

/// The light border that a reader needs around the code, in modules (ISO/IEC 18004 §6.3.8).
const QUIET_ZONE: usize = 4;

/// An `<svg>` that shows `text` as a QR code, black on white whatever the page's colours are. `None` if it is too long.
///
/// `title` is what a screen reader says; it is escaped here. There is no style in it, so that a strict
/// content security policy lets it through.
pub(crate) fn svg(text: &str, title: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let size = code.width() + 2 * QUIET_ZONE;
    let path = path(&code.to_colors(), code.width());
    let title = escaped(title);
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"{title}\" \
         shape-rendering=\"crispEdges\"><rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/>\
         <path fill=\"#000\" d=\"{path}\"/></svg>"
    ))
}

/// One rectangle a run of dark modules, row by row.
fn path(modules: &[Color], width: usize) -> String {
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let (left, top, length) = (x + QUIET_ZONE, y + QUIET_ZONE, run.len());
                path.push_str(&format!("M{left} {top}h{length}v1h-{length}z"));
            }
            x += run.len();
        }
    }
    path
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "otpauth://totp/Example:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example";

    /// The dark modules that the path draws.
    fn drawn(svg: &str) -> Vec<(usize, usize)> {
        let path = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut dark = Vec::new();
        for run in path.split('z').filter(|run| !run.is_empty()) {
            let (at, rest) = run.strip_prefix('M').unwrap().split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let length: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            dark.extend((x..x + length).map(|x| (x, y)));
        }
        dark
    }

    #[test]
    fn every_dark_module_is_drawn_once_within_the_quiet_zone() {
        let code = QrCode::with_error_correction_level(URI, EcLevel::M).unwrap();
        let mut expected = Vec::new();
        for (at, colour) in code.to_colors().into_iter().enumerate() {
            if colour == Color::Dark {
                expected.push((at % code.width() + QUIET_ZONE, at / code.width() + QUIET_ZONE));
            }
        }
        assert_eq!(drawn(&svg(URI, "QR").unwrap()), expected);
    }

    #[test]
    fn the_title_is_escaped_and_a_text_too_long_has_no_picture() {
        assert!(svg(URI, "\"<b>&").unwrap().contains("aria-label=\"&quot;&lt;b&gt;&amp;\""));
        assert_eq!(svg(&"x".repeat(5_000), "QR"), None);
    }
}
