//! Base64url without padding, canonical only (RFC 7515 §2).

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes bytes.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the one spelling that [`encode`] gives; padding, foreign characters and stray bits are refused.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes into an array that must be filled exactly.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (decode_into(text, &mut bytes)? == N).then_some(bytes)
}

/// Decodes into `buffer`; says how many bytes there were. What does not fit is refused.
pub(crate) fn decode_into(text: &str, buffer: &mut [u8]) -> Option<usize> {
    URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()
}

/// Appends the base64url form of `bytes` to `out`.
pub(crate) fn append(out: &mut String, bytes: &[u8]) {
    let mut encoded = [0; CHUNK / 3 * 4];
    for chunk in bytes.chunks(CHUNK) {
        // Neither can fail: the buffer has room for a chunk, and base64url is ASCII.
        let Ok(len) = URL_SAFE_NO_PAD.encode_slice(chunk, &mut encoded) else { return };
        out.push_str(encoded.get(..len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default());
    }
}

/// How many bytes are gathered before they are encoded: a multiple of three, so that no group is split.
const CHUNK: usize = 192;

/// Writes bytes straight into a text as base64url, so that no copy of the plain form is ever held whole.
pub(crate) struct Writer<'a> {
    out: &'a mut String,
    pending: [u8; CHUNK],
    filled: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut String) -> Self {
        Self { out, pending: [0; CHUNK], filled: 0 }
    }

    /// Encodes what is left. Without this call the last bytes are missing.
    pub(crate) fn finish(self) {
        append(self.out, self.pending.get(..self.filled).unwrap_or_default());
    }
}

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = bytes.len().min(CHUNK - self.filled);
            let (now, later) = bytes.split_at(taken);
            self.pending[self.filled..self.filled + taken].copy_from_slice(now);
            self.filled += taken;
            bytes = later;
            if self.filled == CHUNK {
                append(self.out, &self.pending);
                self.filled = 0;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    #[test]
    fn rfc7515_appendix_c_example() {
        assert_eq!(encode([3, 236, 255, 224, 193]), "A-z_4ME");
        assert_eq!(decode("A-z_4ME").as_deref(), Some(&[3, 236, 255, 224, 193][..]));
    }

    #[test]
    fn rfc7515_2_other_spellings_are_refused() {
        for bad in ["A-z_4ME=", "A+z/4ME", "A-z_4MF", "A-z_4 ME", "A-z_4ME\n", "A"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
        assert_eq!(decode_array::<4>("A-z_4ME"), None);
        assert_eq!(decode_array::<6>("A-z_4ME"), None);
        assert_eq!(decode_array::<5>("A-z_4ME"), Some([3, 236, 255, 224, 193]));
    }

    proptest! {
        #[test]
        fn the_writer_gives_what_encoding_at_once_gives(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..6)) {
            let mut out = String::from("x.");
            let mut writer = Writer::new(&mut out);
            for part in &parts {
                writer.write_all(part).unwrap();
            }
            writer.finish();
            prop_assert_eq!(out, format!("x.{}", encode(parts.concat())));
        }
    }
}
