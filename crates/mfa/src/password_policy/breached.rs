//! Whether a password was lost elsewhere, asked without telling which it is.

use std::fmt::Write as _;
use std::future::Future;

use async_trait::async_trait;
use countersign_primitives::{BoxError, SecretString};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use zeroize::Zeroizing;

/// Knows passwords that were lost, by ranges of their hashes: the protocol of Pwned Passwords (k-anonymity), such as
/// `https://api.pwnedpasswords.com/range/21BD1`.
///
/// The host fetches, with whatever client it has; a closure will do. Only the first five digits of the hash leave the server, which
/// about a thousand lost passwords share.
///
/// ```
/// use countersign_mfa::PasswordPolicy;
/// use countersign_primitives::BoxError;
///
/// let policy = PasswordPolicy::new().breached(|prefix: String| async move {
///     // client.get(format!("https://api.pwnedpasswords.com/range/{prefix}")).header("Add-Padding", "true") …
///     Ok::<_, BoxError>(format!("0018A45C4D1DEF81644B54AB7F969B88D65:{}", prefix.len()))
/// });
/// # let _ = policy;
/// ```
#[async_trait]
pub trait BreachedPasswords: Send + Sync {
    /// The range of this prefix, five digits of base 16 in upper case: a line for each hash, its other 35 digits, a colon, and how
    /// often it was seen. Lines that were seen 0 times are padding.
    ///
    /// # Errors
    /// Any error means that it cannot be told.
    async fn range(&self, prefix: String) -> Result<String, BoxError>;
}

#[async_trait]
impl<F, R> BreachedPasswords for F
where
    F: Fn(String) -> R + Send + Sync,
    R: Future<Output = Result<String, BoxError>> + Send,
{
    async fn range(&self, prefix: String) -> Result<String, BoxError> {
        self(prefix).await
    }
}

/// What came is no range.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer is no range of hashes")]
struct NoRange;

/// SHA-1 is the protocol's: it names passwords that everybody can read already, and protects nothing.
pub(super) async fn was_lost(source: &dyn BreachedPasswords, password: &SecretString) -> Result<bool, BoxError> {
    let mut hash = Zeroizing::new(String::with_capacity(40));
    for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, password.expose().as_bytes()).as_ref() {
        let _ = write!(hash, "{byte:02X}");
    }
    let (prefix, suffix) = hash.split_at(5);
    let range = source.range(prefix.to_owned()).await?;
    let mut lost = false;
    for line in range.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (digits, seen) = line.split_once(':').ok_or(NoRange)?;
        if digits.len() != suffix.len() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoRange.into());
        }
        let seen: u64 = seen.parse().map_err(|_| NoRange)?;
        lost |= seen > 0 && digits.eq_ignore_ascii_case(suffix);
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use countersign_accounts::Account;

    use crate::{PasswordPolicy, PasswordRefused, PasswordUse};

    /// SHA-1 of "password" is 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8.
    const REST: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";

    async fn asked(answer: Option<String>, refuse: bool) -> (Result<bool, PasswordRefused>, Vec<String>) {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = heard.clone();
        let policy = PasswordPolicy::new().danger_minimum(1).breached(move |prefix: String| {
            hears.lock().unwrap().push(prefix);
            let answer = answer.clone();
            async move { answer.ok_or_else(|| "the service is down".into()) }
        });
        let policy = if refuse { policy.refuse_unchecked() } else { policy };
        let judged = policy.judge(&"plum tree walks home".into(), &Account::new("u-1"), PasswordUse::Alone).await;
        let heard = heard.lock().unwrap().clone();
        (judged.map(|judged| judged.unchecked), heard)
    }

    fn rest_of(text: &str) -> (String, String) {
        let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        (hash[..5].to_owned(), hash[5..].to_owned())
    }

    #[tokio::test]
    async fn only_five_digits_of_the_hash_are_told() {
        assert_eq!(rest_of("password"), ("5BAA6".to_owned(), REST.to_owned()));
        let (prefix, rest) = rest_of("plum tree walks home");
        let (judged, heard) = asked(Some(format!("{REST}:9\r\n{rest}:2\r\n")), false).await;
        assert_eq!((judged, heard), (Err(PasswordRefused::Breached), vec![prefix]));
        assert_eq!(asked(Some(format!("{}:2", rest.to_lowercase())), false).await.0, Err(PasswordRefused::Breached));
        assert_eq!(asked(Some(format!("{REST}:9\r\n")), false).await.0, Ok(false));
        assert_eq!(asked(Some(String::new()), false).await.0, Ok(false));
        assert_eq!(asked(Some(format!("{rest}:0\r\n")), false).await.0, Ok(false), "padding");
    }

    #[tokio::test]
    async fn promise_14_what_cannot_be_told_is_let_through_and_told_or_refused_as_the_policy_says() {
        for answer in [None, Some("<html>busy</html>".to_owned()), Some(format!("{REST}:many"))] {
            assert_eq!(asked(answer.clone(), false).await.0, Ok(true));
            assert_eq!(asked(answer, true).await.0, Err(PasswordRefused::Unchecked));
        }
    }
}
