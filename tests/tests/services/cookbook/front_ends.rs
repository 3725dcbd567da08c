//! The front ends' types: React, Next.js, Vue and Angular, and the shared function, compiled for Node.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use countersign_tests::cookbook;
use serde_json::json;

use super::variable;

/// Runs a compiler of the cookbook's packages; the answer is whether it was content, and what it said.
fn compile(program: &str, words: &[&str]) -> (bool, String) {
    let mut command = Command::new(variable("COUNTERSIGN_TEST_NODE"));
    command.arg(cookbook().join("node_modules").join(program)).args(words).current_dir(cookbook());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

const TSC: &str = "typescript/bin/tsc";
const VUE_TSC: &str = "vue-tsc/bin/vue-tsc.js";

/// The shared function as JavaScript.
pub(super) fn compiled() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let options =
            ["--outDir", "built", "--module", "esnext", "--target", "es2022", "--moduleResolution", "bundler"];
        let (content, said) = compile(TSC, &[&["shared/step-up.ts"], &options[..]].concat());
        assert!(content, "{said}");
        cookbook().join("built/step-up.js")
    });
    module.clone()
}

#[test]
fn the_front_ends_of_the_cookbook_are_of_the_right_types() {
    for (program, project) in [(TSC, "."), (VUE_TSC, "vue")] {
        let (content, said) = compile(program, &["--noEmit", "-p", project]);
        assert!(content, "{program}: {said}");
    }
}

/// What makes the test above worth something: a mistake in any of them is found.
#[test]
fn a_mistake_in_a_front_end_of_the_cookbook_is_found() {
    let mistakes = [
        (TSC, "mistake.ts", "import { stepUpParameters } from \"../shared/step-up\";\nstepUpParameters(300);\n"),
        (
            TSC,
            "mistake.tsx",
            "import { PayButton } from \"../react/pay-button\";\nexport default <PayButton amount=\"1\" />;\n",
        ),
        (
            VUE_TSC,
            "Mistake.vue",
            "<script setup lang=\"ts\">\nimport PayButton from \"../vue/PayButton.vue\";\n</script>\n\
             <template><PayButton amount=\"one\" /></template>\n",
        ),
    ];
    for (at, (program, file, text)) in mistakes.into_iter().enumerate() {
        let name = format!("planted-{at}");
        let folder = cookbook().join(&name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
        let options = json!({ "extends": "../tsconfig.json", "include": ["."] });
        fs::write(folder.join("tsconfig.json"), options.to_string()).unwrap();
        let (content, said) = compile(program, &["--noEmit", "-p", &name]);
        assert!(!content && said.contains(file) && said.contains("is not assignable"), "{file}: {said}");
    }
}
