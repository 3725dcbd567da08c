//! Phone numbers: to which country they belong, and whether a code may go there.

use std::fmt;
use std::str::FromStr;

use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, Type};
use serde::{Deserialize, Serialize};

/// A country by its two letters (ISO 3166-1): `DE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

/// Not the two capital letters of a country that has phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a country is two capital letters, such as DE (ISO 3166-1)")]
pub struct ParseCountryError;

impl FromStr for Country {
    type Err = ParseCountryError;

    fn from_str(text: &str) -> Result<Self, ParseCountryError> {
        let letters: [u8; 2] = text.as_bytes().try_into().map_err(|_| ParseCountryError)?;
        let capital = letters.iter().all(u8::is_ascii_uppercase);
        (capital && DATABASE.by_id(text).is_some()).then_some(Self(letters)).ok_or(ParseCountryError)
    }
}

impl TryFrom<String> for Country {
    type Error = ParseCountryError;

    fn try_from(text: String) -> Result<Self, ParseCountryError> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

/// A number that a person can be reached at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reachable {
    pub(crate) country: Country,
}

/// The number in E.164 form, if it is one with its country code and of a length that the country has.
pub(crate) fn e164(typed: &str) -> Option<String> {
    Some(parse(typed)?.format().mode(Mode::E164).to_string())
}

/// Where a number is, if a person can be behind it. Numbers that earn money for whoever is called (premium rate, shared cost,
/// personal numbers), those of no country, and those of no known kind have none: fraud lives on them.
pub(crate) fn reachable(number: &str) -> Option<Reachable> {
    let number = parse(number)?;
    // The library looks a number up without the zeros that belong to it in some countries (Italy, Ivory Coast): it then finds
    // no kind, and no country where several share a code. The first of those is the one that the others follow.
    let has_zeros = number.national().zeros() > 0;
    let by_code = || DATABASE.region(&number.code().value())?.first().copied().filter(|_| has_zeros);
    let id = number.country().id();
    let country = id.as_ref().map(AsRef::as_ref).or_else(by_code)?.parse().ok()?;
    let kind = number.number_type(&DATABASE);
    let personal = matches!(kind, Type::Mobile | Type::FixedLine | Type::FixedLineOrMobile | Type::Voip);
    (personal || has_zeros && kind == Type::Unknown).then_some(Reachable { country })
}

fn parse(number: &str) -> Option<phonenumber::PhoneNumber> {
    // The parser would also read `tel:` addresses and extensions.
    let plain = |letter: char| letter.is_ascii_digit() || " -./()".contains(letter);
    let rest = number.trim().strip_prefix('+').filter(|rest| rest.len() <= 32 && rest.chars().all(plain))?;
    let number: phonenumber::PhoneNumber = format!("+{rest}").parse().ok()?;
    (number.is_valid() && number.extension().is_none()).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn country(number: &str) -> Option<String> {
        reachable(number).map(|number| number.country.to_string())
    }

    #[test]
    fn a_number_says_its_country() {
        for (number, name) in [
            ("+4915112345678", "DE"),
            ("+493012345678", "DE"),
            ("+436641234567", "AT"),
            ("+15208782491", "US"),
            ("+16137827274", "CA"),
            ("+18768901234", "JM"), // shares its code with the United States, and not their prices
            ("+447400123456", "GB"),
            ("+393123456789", "IT"),
            ("+390612345678", "IT"), // a zero that belongs to the number
            ("+2250712345678", "CI"),
            ("+8613812345678", "CN"),
            ("+919876543210", "IN"),
        ] {
            assert_eq!(country(number).as_deref(), Some(name), "{number}");
        }
    }

    #[test]
    fn m32_numbers_that_earn_money_or_belong_nowhere_are_not_reached() {
        for number in [
            "+611900123456",  // premium rate, Australia
            "+19002345678",   // premium rate, United States
            "+447012345678",  // personal number, United Kingdom
            "+80012345678",   // international freephone
            "+979123456789",  // international premium rate
            "+8812123456789", // satellite
            "+4911",
            "+00000000",
            "+999123456789",
            "015112345678",
            "+49 151 12345678;ext=1",
            "tel:+4915112345678",
        ] {
            assert_eq!(country(number), None, "{number}");
        }
    }

    #[test]
    fn a_number_has_one_form() {
        for typed in ["+49 151 123 456 78", " +49 (151) 123-456-78", "+49.151.12345678", "+4915112345678"] {
            assert_eq!(e164(typed).as_deref(), Some("+4915112345678"), "{typed}");
        }
        assert_eq!(e164("+39 06 1234 5678").as_deref(), Some("+390612345678"));
    }

    #[test]
    fn a_country_is_its_two_capital_letters() {
        assert_eq!("DE".parse::<Country>().unwrap().to_string(), "DE");
        for bad in ["", "de", "DEU", "001", "XX", "D\u{c4}"] {
            assert_eq!(bad.parse::<Country>(), Err(ParseCountryError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn promise_7_no_text_breaks_the_parser(text in "(\\+[0-9 ]{0,20}|\\PC{0,40}|\\+[0-9]{1,3}[-0-9 ()./]{0,40})") {
            if let Some(number) = e164(&text) {
                prop_assert_eq!(e164(&number), Some(number.clone()));
                prop_assert!(number[1..].bytes().all(|byte| byte.is_ascii_digit()));
            }
            let _ = reachable(&text);
        }
    }
}
