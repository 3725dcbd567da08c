//! CBOR, written (CTAP2 canonical form; callers give keys in order).

fn head(major: u8, number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    match number {
        0..24 => vec![major << 5 | bytes[7]],
        24..0x100 => vec![major << 5 | 24, bytes[7]],
        0x100..0x1_0000 => vec![major << 5 | 25, bytes[6], bytes[7]],
        0x1_0000..0x1_0000_0000 => [&[major << 5 | 26], &bytes[4..]].concat(),
        _ => [&[major << 5 | 27], &bytes[..]].concat(),
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(super) fn int(number: i64) -> Vec<u8> {
    match u64::try_from(number) {
        Ok(natural) => head(0, natural),
        Err(_) => head(1, number.unsigned_abs() - 1),
    }
}

pub(super) fn bytes(content: &[u8]) -> Vec<u8> {
    [head(2, length(content.len())), content.to_vec()].concat()
}

pub(super) fn text(content: &str) -> Vec<u8> {
    [head(3, length(content.len())), content.as_bytes().to_vec()].concat()
}

pub(super) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, length(items.len())), items.concat()].concat()
}

pub(super) fn map(members: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let content = members.iter().flat_map(|(key, value)| [key.as_slice(), value].concat()).collect();
    [head(5, length(members.len())), content].concat()
}
