//! Writes databases in MaxMind's format, version 2.0: for tests alone, and only what these need.

use std::collections::BTreeMap;

use ipnet::IpNet;

/// A value of the data section.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Double(f64),
    Uint16(u16),
    Uint32(u32),
    Uint64(u64),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn map<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(2, text.len(), out);
                out.extend(text.as_bytes());
            }
            Self::Double(number) => {
                control(3, 8, out);
                out.extend(number.to_be_bytes());
            }
            Self::Uint16(number) => {
                control(5, 2, out);
                out.extend(number.to_be_bytes());
            }
            Self::Uint32(number) => {
                control(6, 4, out);
                out.extend(number.to_be_bytes());
            }
            Self::Uint64(number) => {
                control(9, 8, out);
                out.extend(number.to_be_bytes());
            }
            Self::List(items) => {
                control(11, items.len(), out);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(members) => {
                control(7, members.len(), out);
                for (name, value) in members {
                    Self::text(name).write(out);
                    value.write(out);
                }
            }
        }
    }
}

/// The byte, or two, that say what comes and how much of it.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    assert!(size < 29, "longer values are not needed");
    let size = u8::try_from(size).unwrap();
    if kind < 8 {
        out.push(kind << 5 | size);
    } else {
        out.extend([size, kind - 7]);
    }
}

/// Where a branch of the search tree leads.
#[derive(Clone, Copy)]
enum Branch {
    Nowhere,
    Node(usize),
    Data(usize),
}

/// A database of IPv6 whose networks say these values; IPv4 lies at its beginning, as in all of them.
pub(crate) fn database(name: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut tree, mut data) = (vec![[Branch::Nowhere; 2]], Vec::new());
    for (network, value) in networks {
        let offset = data.len();
        value.write(&mut data);
        let (bits, length) = match network.parse().unwrap() {
            IpNet::V4(network) => (u128::from(network.network().to_bits()), 96 + network.prefix_len()),
            IpNet::V6(network) => (network.network().to_bits(), network.prefix_len()),
        };
        insert(&mut tree, bits, length, offset);
    }
    let mut file = Vec::new();
    let nodes = tree.len();
    for branch in tree.iter().flatten() {
        let record = match branch {
            Branch::Nowhere => nodes,
            Branch::Node(node) => *node,
            Branch::Data(offset) => nodes + 16 + offset,
        };
        file.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::map([
        ("node_count", Value::Uint32(u32::try_from(nodes).unwrap())),
        ("record_size", Value::Uint16(24)),
        ("ip_version", Value::Uint16(6)),
        ("database_type", Value::text(name)),
        ("languages", Value::List(vec![Value::text("en")])),
        ("binary_format_major_version", Value::Uint16(2)),
        ("binary_format_minor_version", Value::Uint16(0)),
        ("build_epoch", Value::Uint64(1_800_000_000)),
        ("description", Value::map([("en", Value::text("for tests"))])),
    ]);
    metadata.write(&mut file);
    file
}

fn insert(tree: &mut Vec<[Branch; 2]>, bits: u128, length: u8, offset: usize) {
    let mut node = 0;
    for depth in 0..length {
        let side = usize::from(bits >> (127 - depth) & 1 == 1);
        if depth + 1 == length {
            tree[node][side] = Branch::Data(offset);
            return;
        }
        node = match tree[node][side] {
            Branch::Node(next) => next,
            _ => {
                tree.push([Branch::Nowhere; 2]);
                tree[node][side] = Branch::Node(tree.len() - 1);
                tree.len() - 1
            }
        };
    }
}
