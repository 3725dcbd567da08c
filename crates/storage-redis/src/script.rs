//! The scripts: what must happen at once on the server.

use std::sync::LazyLock;

use redis::Cmd;

/// A script and its name on the server.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

macro_rules! script {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));
    };
}

script!(
    /// One batch.
    COMMIT,
    "scripts/commit.lua"
);
script!(
    /// One charge.
    CHARGE,
    "scripts/charge.lua"
);
script!(
    /// Entries of a list.
    ENLIST,
    "scripts/enlist.lua"
);
script!(
    /// A page of a list.
    PAGE,
    "scripts/page.lua"
);
script!(
    /// Removes a record or a counter that expired long ago.
    SWEEP,
    "scripts/sweep.lua"
);

script!(
    /// What the user may not do.
    RIGHTS,
    "scripts/rights.lua"
);
script!(
    /// Removes entries of a list that expired long ago.
    TRIM,
    "scripts/trim.lua"
);

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

/// A call of a script: its keys, all in one slot, and its arguments.
pub(crate) struct Call {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(script: &'static Script) -> Self {
        Self { script, keys: Vec::new(), arguments: Vec::new() }
    }

    pub(crate) fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.keys.push(key.into());
        self
    }

    pub(crate) fn arg(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers of every sort")]
    pub(crate) fn number(self, argument: impl ToString) -> Self {
        self.arg(argument.to_string())
    }

    /// A key of the slot that the call goes to.
    pub(crate) fn slot(&self) -> u16 {
        self.keys.first().map_or(0, |key| crate::slot::of(key))
    }

    /// The call by the script's name, or with all of its text where the server does not know the name.
    pub(crate) fn command(&self, with_text: bool) -> Cmd {
        let mut command = redis::cmd(if with_text { "EVAL" } else { "EVALSHA" });
        command.arg(if with_text { self.script.code } else { &self.script.hash }).arg(self.keys.len());
        for word in self.keys.iter().chain(&self.arguments) {
            command.arg(word);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_declare_themselves() {
        // Without this line a server lets a script touch keys that it did not declare, as long as they lie on the same node.
        for script in [&COMMIT, &CHARGE, &ENLIST, &PAGE, &SWEEP, &RIGHTS, &TRIM] {
            assert!(script.code.starts_with("#!lua"), "{}", script.code);
        }
    }
}
