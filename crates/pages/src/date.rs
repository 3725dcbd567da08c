//! Times as every reader of the pages understands them: `2026-11-28 10:20 UTC`, whatever the language.

const DAY: i64 = 86_400;

/// A time since 1970, to the minute. Years have four digits; what has more is not shown.
pub(crate) fn shown(seconds: i64) -> String {
    let (day, within) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(day);
    if !(0..=9999).contains(&year) {
        return String::new();
    }
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", within / 3_600, within / 60 % 60)
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar: eras of 400 years, years that begin in March.
fn civil(day: i64) -> (i64, i64, i64) {
    let from_march = day.saturating_add(719_468);
    let (era, of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_164_799, "2024-02-28 23:59 UTC"),
            (1_800_000_000, "2027-01-15 08:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
            (253_402_300_799, "9999-12-31 23:59 UTC"),
            (i64::MAX, ""),
        ] {
            assert_eq!(shown(seconds), text, "{seconds}");
        }
    }
}
