//! Seeds on their way into an encrypted record, and out of it.

use std::fmt;

use countersign_primitives::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::ZeroizeOnDrop;

use crate::{Digits, OtpAlgorithm, ParameterError, TotpParameters};

/// A [`TotpSecret`](crate::TotpSecret) as a record holds it. It *is* the secret: serialise it into an encrypted record only.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
pub struct StoredTotp {
    secret: String,
    #[zeroize(skip)]
    algorithm: OtpAlgorithm,
    #[zeroize(skip)]
    digits: Digits,
    period: u16,
    skew: u8,
}

impl StoredTotp {
    pub(crate) fn new(secret: &SecretString, parameters: TotpParameters) -> Self {
        Self {
            secret: secret.expose().to_owned(),
            algorithm: parameters.algorithm(),
            digits: parameters.digits(),
            period: parameters.period(),
            skew: parameters.skew(),
        }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) const fn parameters(&self) -> Result<TotpParameters, ParameterError> {
        let parameters = TotpParameters::DEFAULT.with_algorithm(self.algorithm).with_digits(self.digits);
        match parameters.with_period(self.period) {
            Ok(parameters) => parameters.with_skew(self.skew),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for StoredTotp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredTotp(..)")
    }
}

/// A [`HotpSecret`](crate::HotpSecret) as a record holds it. It *is* the secret: serialise it into an encrypted record only.
/// The counter is not in it: that one changes with each code and is the caller's.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
pub struct StoredHotp {
    secret: String,
    #[zeroize(skip)]
    algorithm: OtpAlgorithm,
    #[zeroize(skip)]
    digits: Digits,
}

impl StoredHotp {
    pub(crate) fn new(secret: &SecretString, algorithm: OtpAlgorithm, digits: Digits) -> Self {
        Self { secret: secret.expose().to_owned(), algorithm, digits }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) const fn algorithm(&self) -> OtpAlgorithm {
        self.algorithm
    }

    pub(crate) const fn digits(&self) -> Digits {
        self.digits
    }
}

impl fmt::Debug for StoredHotp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHotp(..)")
    }
}
