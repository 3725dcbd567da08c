//! Codes sent to somebody: by SMS, e-mail or voice.

use countersign_primitives::{Random, RandomError, SecretString};
use zeroize::Zeroizing;

use crate::generator::is_separator;
use crate::{CodeHash, CodeKey};

/// What a delivered code is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CodeAlphabet {
    /// The ten digits: on every keypad, and what phones fill in by themselves.
    #[default]
    Digits,
    /// Twenty consonants in upper case, which spell no words (RFC 8628 §6.1).
    Letters,
}

impl CodeAlphabet {
    const fn symbols(self) -> &'static [u8] {
        match self {
            Self::Digits => b"0123456789",
            Self::Letters => b"BCDFGHJKLMNPQRSTVWXZ",
        }
    }
}

/// How delivered codes look. By default six digits, the least that NIST SP 800-63B-4 §3.1.3.2 allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodeFormat {
    length: u8,
    alphabet: CodeAlphabet,
}

impl Default for CodeFormat {
    fn default() -> Self {
        Self { length: 6, alphabet: CodeAlphabet::Digits }
    }
}

impl CodeFormat {
    /// Codes of this many symbols of this alphabet.
    ///
    /// # Errors
    /// Unless the length is 6 to 16: shorter codes are guessed, longer ones are not typed.
    pub const fn new(length: u8, alphabet: CodeAlphabet) -> Result<Self, CodeFormatError> {
        match length {
            6..=16 => Ok(Self { length, alphabet }),
            _ => Err(CodeFormatError::Length),
        }
    }

    /// How many symbols a code has.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// What the symbols are.
    #[must_use]
    pub const fn alphabet(self) -> CodeAlphabet {
        self.alphabet
    }

    /// What somebody typed, as the code was sent: white space and hyphens taken out, letters in upper case. Nothing if that is
    /// not a code of this format, which is then no more than a wrong code. Call it at the edge.
    ///
    /// ```
    /// use countersign_mfa_otp::CodeFormat;
    ///
    /// assert_eq!(CodeFormat::default().normalise("479 021").as_ref().map(|code| code.expose()), Some("479021"));
    /// assert!(CodeFormat::default().normalise("47902").is_none());
    /// ```
    #[must_use]
    pub fn normalise(self, typed: &str) -> Option<SecretString> {
        let mut code = String::with_capacity(typed.len());
        code.extend(typed.chars().filter(|character| !is_separator(*character)));
        code.make_ascii_uppercase();
        let code = SecretString::new(code);
        let text = code.expose();
        let known = text.len() == usize::from(self.length)
            && text.bytes().all(|symbol| self.alphabet.symbols().contains(&symbol));
        known.then_some(code)
    }
}

/// A format that codes cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeFormatError {
    /// Shorter than 6 or longer than 16.
    #[error("a code has 6 to 16 symbols")]
    Length,
}

/// A code on its way to somebody. The store meets only its [`CodeHash`]; it is wiped when dropped.
#[derive(Debug)]
pub struct DeliveredCode(SecretString);

impl DeliveredCode {
    /// A new code, each as likely as any other.
    ///
    /// # Errors
    /// When the source of randomness fails, or only ever yields bytes that must be thrown away.
    pub fn generate(random: &dyn Random, format: CodeFormat) -> Result<Self, RandomError> {
        let symbols = format.alphabet.symbols();
        let length = usize::from(format.length);
        let mut code = String::with_capacity(length);
        let mut bytes = Zeroizing::new([0; 32]);
        for _ in 0..64 {
            random.fill(&mut *bytes)?;
            code.extend(bytes.iter().filter_map(|byte| fair_symbol(*byte, symbols)).take(length - code.len()));
            if code.len() == length {
                return Ok(Self(SecretString::new(code)));
            }
        }
        Err(RandomError) // for a working source less likely than a guessed key
    }

    /// The code itself, for the message. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the store keeps: the keyed hash of the code for `purpose` and `context`.
    #[must_use]
    pub fn hash(&self, key: &CodeKey, purpose: &str, context: &[u8]) -> CodeHash {
        CodeHash::new(key, purpose, context, self.expose())
    }

    /// The code as a voice reads it: symbol by symbol, with a rest after each group.
    ///
    /// `479021` becomes `4 7 9, 0 2 1`.
    #[must_use]
    pub fn spoken(&self) -> SecretString {
        let code = self.expose();
        let group = if !code.len().is_multiple_of(3) && code.len().is_multiple_of(4) { 4 } else { 3 };
        let mut spoken = String::with_capacity(code.len() * 3);
        for (index, symbol) in code.chars().enumerate() {
            if index > 0 {
                spoken.push_str(if index % group == 0 { ", " } else { " " });
            }
            spoken.push(symbol);
        }
        SecretString::new(spoken)
    }

    /// An SMS whose code browsers offer on the pages of `host` only, so that a look-alike site gets nothing filled in
    /// (WICG, Origin-bound one-time codes delivered via SMS): `text`, and a last line `@host #code`.
    ///
    /// ```
    /// # use countersign_mfa_otp::{CodeFormat, DeliveredCode};
    /// # use countersign_primitives::SystemRandom;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let code = DeliveredCode::generate(&SystemRandom, CodeFormat::default())?;
    /// let sms = code.origin_bound("example.com", &format!("{} is your code.", code.expose()))?;
    /// assert_eq!(sms.expose().lines().last(), Some(format!("@example.com #{}", code.expose()).as_str()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `host` is not a host name alone: no scheme, port or path.
    pub fn origin_bound(&self, host: &str, text: &str) -> Result<SecretString, HostError> {
        if !is_host(host) {
            return Err(HostError);
        }
        Ok(SecretString::new(format!("{}\n\n@{host} #{}", text.trim_end(), self.expose())))
    }
}

/// The symbol that a random byte stands for. The bytes left over after the last whole round stand for none: they would make
/// the first symbols likelier.
fn fair_symbol(byte: u8, symbols: &[u8]) -> Option<char> {
    let fair = 256 - 256 % symbols.len();
    let byte = usize::from(byte);
    (byte < fair).then(|| char::from(symbols[byte % symbols.len()]))
}

/// A host name in ASCII (RFC 1123 §2.1); names of other scripts come in their `xn--` form.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// Not a bare host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is bound to a host name without scheme, port or path")]
pub struct HostError;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use countersign_primitives::SystemRandom;

    use super::*;

    fn code(text: &str) -> DeliveredCode {
        DeliveredCode(text.into())
    }

    /// Yields every byte in turn.
    #[derive(Debug, Default)]
    struct EveryByte(AtomicU8);

    impl Random for EveryByte {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
            buffer.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }
    }

    /// Yields one byte for ever.
    #[derive(Debug)]
    struct Stuck(u8);

    impl Random for Stuck {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
            buffer.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn each_symbol_comes_from_equally_many_bytes() {
        for alphabet in [CodeAlphabet::Digits, CodeAlphabet::Letters] {
            let symbols = alphabet.symbols();
            let drawn: Vec<_> = (0..=u8::MAX).filter_map(|byte| fair_symbol(byte, symbols)).collect();
            for symbol in symbols {
                let times = drawn.iter().filter(|drawn| **drawn == char::from(*symbol)).count();
                assert_eq!(times, 256 / symbols.len());
            }
        }
        // Bytes 250 to 255 stand for no digit: a source that yields only those ends in an error, not in a biased code.
        assert!(DeliveredCode::generate(&Stuck(250), CodeFormat::default()).is_err());
        assert_eq!(DeliveredCode::generate(&Stuck(249), CodeFormat::default()).unwrap().expose(), "999999");
        assert_eq!(DeliveredCode::generate(&EveryByte::default(), CodeFormat::default()).unwrap().expose(), "012345");
    }

    #[test]
    fn generated_codes_are_not_biased() {
        const CODES: u32 = 50_000;
        let mut counts = [0_u32; 10];
        for _ in 0..CODES {
            let code = DeliveredCode::generate(&SystemRandom, CodeFormat::default()).unwrap();
            code.expose().bytes().for_each(|digit| counts[usize::from(digit - b'0')] += 1);
        }
        // Chi-squared with nine degrees of freedom: above 50 once in ten million runs. Taking every byte modulo ten gives about 119.
        let expected = f64::from(CODES * 6 / 10);
        let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        assert!(chi < 50.0, "{counts:?}");
    }

    #[test]
    fn a_code_has_the_format_asked_for() {
        for length in 6..=16 {
            for alphabet in [CodeAlphabet::Digits, CodeAlphabet::Letters] {
                let format = CodeFormat::new(length, alphabet).unwrap();
                let code = DeliveredCode::generate(&SystemRandom, format).unwrap();
                assert!(format.normalise(code.expose()).unwrap().matches(code.expose()));
            }
        }
        assert_eq!(CodeFormat::new(5, CodeAlphabet::Digits), Err(CodeFormatError::Length));
        assert_eq!(CodeFormat::new(17, CodeAlphabet::Digits), Err(CodeFormatError::Length));
    }

    #[test]
    fn what_is_typed_is_normalised_or_refused() {
        let letters = CodeFormat::new(8, CodeAlphabet::Letters).unwrap();
        assert_eq!(letters.normalise("wdjb-mjht").unwrap().expose(), "WDJBMJHT");
        assert!(letters.normalise("WDJBMJHA").is_none(), "a vowel");
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "٠١٢٣٤٥", "12345\0"] {
            assert!(CodeFormat::default().normalise(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_spoken_code_has_rests() {
        assert_eq!(code("479021").spoken().expose(), "4 7 9, 0 2 1");
        assert_eq!(code("47902133").spoken().expose(), "4 7 9 0, 2 1 3 3");
        assert_eq!(code("4790213").spoken().expose(), "4 7 9, 0 2 1, 3");
    }

    #[test]
    fn origin_bound_codes_end_with_host_and_code() {
        let sms = code("747723").origin_bound("example.com", "747723 is your Example code.\n").unwrap();
        assert_eq!(sms.expose(), "747723 is your Example code.\n\n@example.com #747723");
        for bad in ["", "https://example.com", "example.com:443", "a b", "a\n@evil.com #1", "-a.com", "a..b", "käse.de"]
        {
            assert_eq!(code("747723").origin_bound(bad, "x").err(), Some(HostError), "{bad:?}");
        }
    }

    #[test]
    fn promise_4_debug_output_shows_no_code() {
        assert_eq!(format!("{:?}", code("479021")), "DeliveredCode(SecretString(..))");
    }
}
