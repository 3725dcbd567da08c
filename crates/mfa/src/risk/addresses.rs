//! Lists of addresses, as a host supplies them.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;

/// A list of addresses: a line for each address or network (`192.0.2.0/24`, `2001:db8::/32`); what follows `#` or `;` is a remark.
///
/// It is a cheap clone that all holders share: [`replace`](Self::replace) gives all of them what a newer file says, without a
/// restart.
///
/// ```
/// use countersign_mfa::risk::AddressList;
///
/// let list: AddressList = "192.0.2.0/24 # a hoster\n2001:db8::1".parse()?;
/// assert!(list.contains([192, 0, 2, 77].into()));
/// list.replace(&"198.51.100.0/24".parse()?);
/// assert!(!list.contains([192, 0, 2, 77].into()));
/// # Ok::<(), countersign_mfa::risk::AddressListError>(())
/// ```
#[derive(Clone, Default)]
pub struct AddressList(Arc<RwLock<Arc<[Range]>>>);

/// The first and the last of a row of addresses, IPv4 as it is mapped into IPv6.
type Range = (u128, u128);

/// A list of addresses cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressListError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is neither an address nor a network.
    #[error("line {line} is no address: write one a line, such as 192.0.2.7 or 2001:db8::/32")]
    Line {
        /// The line, from 1 on.
        line: usize,
    },
    /// A line of a file is neither an address nor a network.
    #[error("{file}, line {line} is no address: write one a line, such as 192.0.2.7 or 2001:db8::/32", file = file.display())]
    LineOf {
        /// The file.
        file: PathBuf,
        /// The line, from 1 on.
        line: usize,
    },
}

impl AddressList {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AddressListError`] names the file, the line and the cure.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, AddressListError> {
        let file = file.as_ref();
        let text = fs::read_to_string(file)
            .map_err(|source| AddressListError::Unreadable { file: file.to_owned(), source })?;
        text.parse().map_err(|error| match error {
            AddressListError::Line { line } => AddressListError::LineOf { file: file.to_owned(), line },
            error => error,
        })
    }

    /// Whether an address stands on the list. An IPv4 address that is written as an IPv6 one is the same.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (address, ranges) = (number(address), self.ranges());
        let after = ranges.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
    }

    /// Whether nothing stands on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges().is_empty()
    }

    /// Takes over what another list says, for all who hold this one.
    pub fn replace(&self, other: &Self) {
        let newer = other.ranges();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = newer;
    }

    fn ranges(&self) -> Arc<[Range]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::str::FromStr for AddressList {
    type Err = AddressListError;

    fn from_str(text: &str) -> Result<Self, AddressListError> {
        let mut ranges = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let entry = line.split(['#', ';']).next().unwrap_or_default().trim().trim_start_matches('\u{feff}');
            if !entry.is_empty() {
                ranges.push(range(entry).ok_or(AddressListError::Line { line: at + 1 })?);
            }
        }
        Ok(Self(Arc::new(RwLock::new(merged(ranges).into()))))
    }
}

impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressList({} networks)", self.ranges().len())
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn range(entry: &str) -> Option<Range> {
    let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)).ok()?;
    Some((number(network.network()), number(network.broadcast())))
}

/// The same addresses as rows in order that do not meet.
fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut rows: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match rows.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => rows.push((first, last)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_knows_its_networks_and_nothing_beside_them() {
        let list: AddressList =
            "\u{feff}# header\n192.0.2.0/25\n192.0.2.128/25 ; the rest\n\n10.0.0.1 # one\r\n2001:db8::/32\n"
                .parse()
                .unwrap();
        let contains = |text: &str| list.contains(text.parse().unwrap());
        for inside in ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7", "10.0.0.1", "2001:db8:ffff::1"] {
            assert!(contains(inside), "{inside}");
        }
        for outside in ["192.0.1.255", "192.0.3.0", "10.0.0.0", "10.0.0.2", "2001:db9::", "::", "255.255.255.255"] {
            assert!(!contains(outside), "{outside}");
        }
        assert_eq!(list.ranges().len(), 3, "neighbours are one row");
        assert!(AddressList::default().is_empty() && !AddressList::default().contains([0, 0, 0, 0].into()));
        let all: AddressList = "::/0".parse().unwrap();
        assert!(all.contains("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()));
    }

    #[test]
    fn promise_7_a_line_that_is_no_address_is_named() {
        for bad in ["192.0.2.0/33", "192.0.2", "example.com", "192.0.2.1 192.0.2.2", "2001:db8::/129"] {
            let error = format!("# one\n{bad}\n").parse::<AddressList>().unwrap_err();
            assert!(matches!(error, AddressListError::Line { line: 2 }), "{bad}: {error}");
        }
        let error = AddressList::load("/no/such/file").unwrap_err();
        assert!(error.to_string().starts_with("/no/such/file: cannot be read"), "{error}");
    }

    proptest! {
        #[test]
        fn merging_loses_and_adds_nothing(
            networks in prop::collection::vec((any::<u16>(), 0_u8..=16), 0..20),
            probe in any::<u16>(),
        ) {
            // Networks within 10.0.0.0/16, so that a probe has a chance to meet one.
            let networks: Vec<IpNet> = networks.iter().map(|(host, length)| {
                let [a, b] = host.to_be_bytes();
                IpNet::new([10, 0, a, b].into(), 16 + length).unwrap()
            }).collect();
            let text = networks.iter().map(|one| format!("{one}\n")).collect::<String>();
            let list: AddressList = text.parse().unwrap();
            let [a, b] = probe.to_be_bytes();
            let address = [10, 0, a, b].into();
            prop_assert_eq!(list.contains(address), networks.iter().any(|one| one.contains(&address)));
        }
    }
}
