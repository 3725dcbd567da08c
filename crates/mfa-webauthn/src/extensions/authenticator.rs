//! What the authenticator itself signed.

use super::{CredentialProtection, ExtensionError, UserVerificationMethod};
use crate::cbor;

/// Reads what the authenticator itself signed, of the members that were asked for.
pub(super) struct AuthenticatorOutputs<'a>(pub(super) Option<cbor::Map<'a>>);

impl AuthenticatorOutputs<'_> {
    pub(super) fn only(&self, asked: impl Fn(&str) -> bool) -> Result<(), ExtensionError> {
        let Some(map) = self.0 else { return Ok(()) };
        for (name, _) in map.iter() {
            let name = name.text().map_err(|_| ExtensionError::Malformed)?;
            // An authenticator may protect a credential of its own accord, and says so (CTAP 2.1 §12.1).
            if name != "credProtect" && !asked(name) {
                return Err(ExtensionError::Unsolicited);
            }
        }
        Ok(())
    }

    fn number(&self, name: &str) -> Result<Option<i64>, ExtensionError> {
        let value = self.0.and_then(|map| map.text_key(name));
        value.map(|value| value.int().map_err(|_| ExtensionError::Malformed)).transpose()
    }

    pub(super) fn protection(&self) -> Result<Option<CredentialProtection>, ExtensionError> {
        let level = self.number("credProtect")?;
        level.map(|level| CredentialProtection::from_level(level).ok_or(ExtensionError::Malformed)).transpose()
    }

    pub(super) fn min_pin_length(&self) -> Result<Option<u32>, ExtensionError> {
        let length = self.number("minPinLength")?;
        length.map(|length| u32::try_from(length).map_err(|_| ExtensionError::Malformed)).transpose()
    }

    pub(super) fn uvm(&self) -> Result<Option<Vec<UserVerificationMethod>>, ExtensionError> {
        let Some(value) = self.0.and_then(|map| map.text_key("uvm")) else { return Ok(None) };
        let method = |value: cbor::Value<'_>| {
            let mut numbers =
                value.array().ok()?.iter().map(|number| number.int().ok().and_then(|n| u32::try_from(n).ok()));
            let method = [numbers.next()??, numbers.next()??, numbers.next()??];
            numbers.next().is_none().then_some(method)
        };
        let methods = value.array().map_err(|_| ExtensionError::Malformed)?.iter().map(method);
        methods.collect::<Option<Vec<_>>>().map(Some).ok_or(ExtensionError::Malformed)
    }
}
