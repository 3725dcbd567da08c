//! What is the same on every run, and how a change of it is judged.

use std::collections::BTreeMap;
use std::fmt;

use crate::command::Failure;

/// What one round takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) instructions: u64,
    pub(crate) allocations: f64,
}

/// How many more instructions than recorded are let through: compilers differ that much, a lost optimisation does not.
const MARGIN_PERCENT: u64 = 4;
/// A table that grows now and then moves the mean by less than this.
const MARGIN_ALLOCATIONS: f64 = 1.0;

impl Figure {
    /// Whether it is worse than the recorded one by more than the margin.
    fn is_worse_than(&self, recorded: &Self) -> bool {
        self.instructions * 100 > recorded.instructions * (100 + MARGIN_PERCENT)
            || self.allocations > recorded.allocations + MARGIN_ALLOCATIONS
    }
}

/// What must cost the same, or the time would tell which it was (attack M23): a code of the newest step, of the oldest, and of none.
const ALIKE: [&[&str]; 1] = [&["totp", "totp-oldest", "totp-none"]];
/// By how many instructions of a thousand they may differ: those of the answer itself.
const ALIKE_PER_MILLE: u64 = 2;

/// Figures by name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Figures(BTreeMap<String, Figure>);

impl Figures {
    pub(crate) fn add(&mut self, name: String, figure: Figure) {
        self.0.insert(name, figure);
    }

    pub(crate) fn of(&self, name: &str) -> Result<Figure, Failure> {
        self.0.get(name).copied().ok_or_else(|| Failure::Failed(format!("{name} was not measured")))
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\t');
            let (Some(name), Some(Ok(instructions)), Some(Ok(allocations)), None) =
                (fields.next(), fields.next().map(str::parse), fields.next().map(str::parse), fields.next())
            else {
                return Err(Failure::Failed(format!("benches/figures.tsv: not a figure: {line:?}")));
            };
            figures.add(name.to_owned(), Figure { instructions, allocations });
        }
        Ok(figures)
    }

    /// What is to say of figures that should be alike and are not.
    fn apart(&self, names: &[&str]) -> Option<String> {
        let all: Vec<_> = names.iter().filter_map(|name| Some((name, self.0.get(*name)?.instructions))).collect();
        let (_, least) = all.iter().min_by_key(|(_, instructions)| *instructions)?;
        let (name, most) = all.iter().max_by_key(|(_, instructions)| *instructions)?;
        let apart = (most - least) * 1_000 > least * ALIKE_PER_MILLE;
        apart.then(|| {
            format!("{name} takes {most} instructions where {least} do, and so tells by its time what it is (M23)")
        })
    }

    /// Fails when anything is worse than recorded, only one side has it, or what must be alike is not.
    pub(crate) fn judge(&self, recorded: &Self) -> Result<(), Failure> {
        let mut failed = Vec::new();
        for name in self.0.keys().chain(recorded.0.keys().filter(|name| !self.0.contains_key(*name))) {
            match (self.0.get(name), recorded.0.get(name)) {
                (Some(now), Some(then)) if now.is_worse_than(then) => failed.push(format!(
                    "{name} takes {} instructions and {} allocations instead of {} and {}",
                    now.instructions, now.allocations, then.instructions, then.allocations
                )),
                (Some(_), Some(_)) => {}
                (now, _) => {
                    failed.push(format!("{name} was not {}", if now.is_some() { "recorded" } else { "measured" }))
                }
            }
        }
        failed.extend(ALIKE.iter().filter_map(|names| self.apart(names)));
        if failed.is_empty() {
            println!("{} figures within {MARGIN_PERCENT} % of those recorded", self.0.len());
            return Ok(());
        }
        failed.push("if that is meant, record it: cargo xtask bench --record".to_owned());
        Err(Failure::Failed(failed.join("\n  ")))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# name\tinstructions\tallocations: of one round; written by `cargo xtask bench --record`")?;
        for (name, Figure { instructions, allocations }) in &self.0 {
            writeln!(f, "{name}\t{instructions}\t{allocations:.1}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(entries: &[(&str, u64, f64)]) -> Figures {
        let mut figures = Figures::default();
        for &(name, instructions, allocations) in entries {
            figures.add(name.to_owned(), Figure { instructions, allocations });
        }
        figures
    }

    fn verdict(now: &[(&str, u64, f64)]) -> Result<(), String> {
        let recorded = figures(&[("code", 10_000, 20.0), ("jwks", 5_000, 9.0)]);
        figures(now).judge(&recorded).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_figure_that_is_worse_by_more_than_its_margin_fails() {
        assert!(verdict(&[("code", 10_400, 21.0), ("jwks", 1, 0.0)]).is_ok());
        assert!(verdict(&[("code", 10_401, 20.0), ("jwks", 5_000, 9.0)]).unwrap_err().contains("code takes 10401"));
        assert!(verdict(&[("code", 10_000, 21.1), ("jwks", 5_000, 9.0)]).unwrap_err().contains("21.1 allocations"));
    }

    #[test]
    fn what_only_one_side_has_fails() {
        assert!(verdict(&[("code", 10_000, 20.0)]).unwrap_err().contains("jwks was not measured"));
        let more = [("code", 1, 0.0), ("jwks", 1, 0.0), ("new", 1, 0.0)];
        assert!(verdict(&more).unwrap_err().contains("new was not recorded"));
    }

    #[test]
    fn m23_what_tells_by_its_time_which_step_a_code_is_of_fails() {
        let recorded = [("totp", 18_054, 0.0), ("totp-oldest", 18_060, 0.0), ("totp-none", 18_049, 0.0)];
        assert!(figures(&recorded).judge(&figures(&recorded)).is_ok());
        let early = [("totp", 6_000, 0.0), ("totp-oldest", 18_060, 0.0), ("totp-none", 18_049, 0.0)];
        let told = figures(&early).judge(&figures(&recorded)).unwrap_err().to_string();
        assert!(told.contains("totp-oldest takes 18060 instructions where 6000 do"), "{told}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let some = figures(&[("code", 10_000, 20.0), ("jwks", 5_000, 9.5)]);
        assert_eq!(Figures::parse(&some.to_string()).unwrap(), some);
        for bad in ["code", "code\t1", "code\tx\t1", "code\t1\t1\t1"] {
            assert!(Figures::parse(bad).is_err(), "{bad:?}");
        }
    }
}
