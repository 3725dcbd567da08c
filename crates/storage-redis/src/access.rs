//! How servers are reached: what the URL and the options say together.

use crate::address::Address;
use crate::{OpenError, RedisOptions};

/// What every connection needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) address: Address,
    pub(crate) options: RedisOptions,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::Tls>,
}

impl Access {
    pub(crate) fn new(url: &str, mut options: RedisOptions) -> Result<Self, OpenError> {
        let address = Address::parse(url)?;
        if let Some(login) = &address.parameters.sentinel {
            options.sentinel = Some(login.clone());
        }
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: if address.tls { Some(crate::tls::Tls::new(&address.parameters, &mut options)?) } else { None },
            address,
            options,
        })
    }
}
