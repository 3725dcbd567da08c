//! Dates as the metadata has them (ISO 8601, `YYYY-MM-DD`).

use countersign_primitives::UnixTime;

/// The end of the day.
pub(super) fn end_of(date: &str) -> Option<UnixTime> {
    let mut parts = date.split('-');
    let mut number = |length: usize| {
        let part =
            parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse::<u64>().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month - 1).ok()?;
    if day > lengths[month] {
        return None;
    }
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let days = (year - 1970) * 365 + leap_days + lengths[..month].iter().sum::<u64>() + day;
    Some(UnixTime::from_secs(days * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(end_of("1970-01-01"), Some(UnixTime::from_secs(86_400)));
        assert_eq!(end_of("2000-02-29"), Some(UnixTime::from_secs(951_868_800)));
        assert_eq!(end_of("2026-11-28"), Some(UnixTime::from_secs(1_795_910_400)));
        for bad in [
            "",
            "2026-1-1",
            "2026-13-01",
            "2026-02-29",
            "2026-00-01",
            "2026-01-00",
            "1969-12-31",
            "2026-01-01x",
            "2026-01-01-01",
            "+026-01-01",
        ] {
            assert_eq!(end_of(bad), None, "{bad}");
        }
    }
}
