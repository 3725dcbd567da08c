//! `otpauth` URIs: what the QR code of an enrolment carries (Key Uri Format of Google Authenticator).

use countersign_primitives::SecretString;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::generator::Generator;
use crate::{Digits, HotpSecret, OtpAlgorithm, ParameterError, SecretError, TotpParameters, TotpSecret, base32};

/// All but the unreserved characters of RFC 3986 §2.3. A space becomes `%20`: apps show a `+` as a plus.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// More than any such URI has, and as much as a QR code of it could carry.
const LONGEST_URI: usize = 2_048;

pub(crate) fn write_totp(
    generator: &Generator,
    parameters: TotpParameters,
    issuer: &str,
    account: &str,
) -> SecretString {
    write("totp", generator, issuer, account, "period", parameters.period().into())
}

pub(crate) fn write_hotp(generator: &Generator, issuer: &str, account: &str, counter: u64) -> SecretString {
    write("hotp", generator, issuer, account, "counter", counter)
}

/// The issuer is in the label and in its parameter: old apps read the one, new ones the other. The colon between issuer and
/// account is the only literal one. Every parameter is written, for apps differ in what they assume.
fn write(kind: &str, generator: &Generator, issuer: &str, account: &str, moving: &str, value: u64) -> SecretString {
    // Long enough from the start, so that no part of the secret stays behind in a buffer that was outgrown.
    let mut uri = String::with_capacity(256 + 3 * (2 * issuer.len() + account.len()));
    uri.extend(["otpauth://", kind, "/"]);
    uri.extend(encoded(issuer));
    uri.push(':');
    uri.extend(encoded(account));
    uri.extend(["?secret=", base32::encode(generator.secret()).expose(), "&issuer="]);
    uri.extend(encoded(issuer));
    uri.extend(["&algorithm=", generator.algorithm().as_str(), "&digits=", &generator.digits().get().to_string()]);
    uri.extend(["&", moving, "=", &value.to_string()]);
    SecretString::new(uri)
}

fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// What an `otpauth://totp/` URI said.
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportedTotp {
    /// The secret with its parameters.
    pub secret: TotpSecret,
    /// The service it is for; the `issuer` parameter, or else the first part of the label.
    pub issuer: Option<String>,
    /// The user's name at the service.
    pub account: String,
}

/// What an `otpauth://hotp/` URI said.
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportedHotp {
    /// The secret.
    pub secret: HotpSecret,
    /// The next counter.
    pub counter: u64,
    /// The service it is for; the `issuer` parameter, or else the first part of the label.
    pub issuer: Option<String>,
    /// The user's name at the service.
    pub account: String,
}

pub(crate) fn read_totp(uri: &str) -> Result<ImportedTotp, OtpauthError> {
    let uri = Uri::parse(uri, "totp")?;
    let mut parameters = TotpParameters::DEFAULT.with_algorithm(uri.algorithm).with_digits(uri.digits);
    if let Some(period) = uri.period {
        parameters = parameters.with_period(period.parse().map_err(|_| ParameterError::Period)?)?;
    }
    let secret = TotpSecret::from_base32(&uri.secret, parameters)?;
    Ok(ImportedTotp { secret, issuer: uri.issuer, account: uri.account })
}

pub(crate) fn read_hotp(uri: &str) -> Result<ImportedHotp, OtpauthError> {
    let uri = Uri::parse(uri, "hotp")?;
    let counter = uri.counter.ok_or(OtpauthError::NoCounter)?.parse().map_err(|_| OtpauthError::Counter)?;
    let secret = HotpSecret::from_base32(&uri.secret, uri.algorithm, uri.digits)?;
    Ok(ImportedHotp { secret, counter, issuer: uri.issuer, account: uri.account })
}

/// The parts of a URI, decoded.
struct Uri<'a> {
    issuer: Option<String>,
    account: String,
    secret: Zeroizing<String>,
    algorithm: OtpAlgorithm,
    digits: Digits,
    period: Option<&'a str>,
    counter: Option<&'a str>,
}

impl<'a> Uri<'a> {
    fn parse(uri: &'a str, kind: &str) -> Result<Self, OtpauthError> {
        if uri.len() > LONGEST_URI {
            return Err(OtpauthError::TooLong);
        }
        let path = strip_prefix_ignoring_case(uri, "otpauth://").ok_or(OtpauthError::Scheme)?;
        let (found, rest) = path.split_once('/').ok_or(OtpauthError::Kind)?;
        if !found.eq_ignore_ascii_case(kind) {
            return Err(OtpauthError::Kind);
        }
        let (label, query) = rest.split_once('?').ok_or(OtpauthError::NoSecret)?;
        let query = Query::parse(query.split_once('#').map_or(query, |(query, _)| query))?;
        let (issuer, account) = owner(label, query.issuer)?;
        Ok(Self {
            issuer,
            account,
            secret: Zeroizing::new(decoded(query.secret.ok_or(OtpauthError::NoSecret)?)?),
            algorithm: query.algorithm.map_or(Ok(OtpAlgorithm::Sha1), str::parse)?,
            digits: query.digits.map_or(Ok(Digits::SIX), digits)?,
            period: query.period,
            counter: query.counter,
        })
    }
}

/// The parameters that are known, still encoded; others, such as `image`, are passed over.
#[derive(Default)]
struct Query<'a> {
    secret: Option<&'a str>,
    issuer: Option<&'a str>,
    algorithm: Option<&'a str>,
    digits: Option<&'a str>,
    period: Option<&'a str>,
    counter: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn parse(query: &'a str) -> Result<Self, OtpauthError> {
        let mut found = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "secret" => &mut found.secret,
                "issuer" => &mut found.issuer,
                "algorithm" => &mut found.algorithm,
                "digits" => &mut found.digits,
                "period" => &mut found.period,
                "counter" => &mut found.counter,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(OtpauthError::Repeated);
            }
        }
        Ok(found)
    }
}

/// Issuer and account. A label is split at a literal colon before it is decoded, so that `%3A` within a name stays in it. Only
/// without one is `%3A` the separator, as some programs write it; then the parameter, if there, must agree.
fn owner(label: &str, issuer: Option<&str>) -> Result<(Option<String>, String), OtpauthError> {
    let issuer = issuer.map(decoded).transpose()?.filter(|issuer| !issuer.is_empty());
    let (prefix, account) = match label.split_once(':') {
        Some((prefix, account)) => (Some(decoded(prefix)?), decoded(account)?),
        None => encoded_prefix(decoded(label)?, issuer.as_deref()),
    };
    let account = account.trim_start_matches(' ').to_owned(); // the format allows spaces after the colon
    Ok((issuer.or(prefix.filter(|prefix| !prefix.is_empty())), account))
}

fn encoded_prefix(label: String, issuer: Option<&str>) -> (Option<String>, String) {
    let parts = match issuer {
        Some(issuer) => {
            label.strip_prefix(issuer).and_then(|rest| rest.strip_prefix(':')).map(|account| (issuer, account))
        }
        None => label.split_once(':'),
    };
    match parts {
        Some((prefix, account)) => (Some(prefix.to_owned()), account.to_owned()),
        None => (None, label),
    }
}

fn digits(text: &str) -> Result<Digits, ParameterError> {
    Digits::new(text.parse().map_err(|_| ParameterError::Digits)?)
}

/// RFC 3986 §2.1: a plus is a plus. Refuses half an escape, bytes that are not UTF-8, and control characters.
fn decoded(text: &str) -> Result<String, OtpauthError> {
    let whole = |escape: &str| escape.len() >= 2 && escape.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(whole) {
        return Err(OtpauthError::Encoding);
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| OtpauthError::Encoding)?;
    if text.chars().any(char::is_control) {
        return Err(OtpauthError::Encoding);
    }
    Ok(text.into_owned())
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Why an `otpauth` URI was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtpauthError {
    /// More than 2048 bytes.
    #[error("the URI is too long")]
    TooLong,
    /// Another scheme than `otpauth`.
    #[error("not an otpauth URI")]
    Scheme,
    /// Neither the `totp` nor the `hotp` that was asked for.
    #[error("the URI is for another kind of code")]
    Kind,
    /// No `secret`.
    #[error("the URI has no secret")]
    NoSecret,
    /// No `counter` in a `hotp` URI.
    #[error("the URI has no counter")]
    NoCounter,
    /// A `counter` that is no number of 64 bits.
    #[error("the counter is not a number")]
    Counter,
    /// A parameter that occurs twice: programs would differ in which one they take.
    #[error("a parameter occurs twice")]
    Repeated,
    /// Half an escape, bytes that are not UTF-8, or control characters.
    #[error("the URI is wrongly encoded")]
    Encoding,
    /// An algorithm, a number of digits or a period that is out of range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A secret that is not base32, too short or too long.
    #[error(transparent)]
    Secret(#[from] SecretError),
}
