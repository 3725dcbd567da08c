//! The tests that the cookbook shows for a pipeline of one's own.

use std::process::Command;

use countersign_tests::cookbook;

use super::{Api, provider, variable};

#[test]
fn a_test_of_ones_own_signs_in_by_steps_and_pays() {
    for at in 0..2 {
        // A server each: its users have no factor at first.
        let quickstart = provider();
        let api = &Api::both(quickstart.issuer())[at];
        let mut python = Command::new(variable("COUNTERSIGN_TEST_PYTHON"));
        python.args(["-B", "-m", "unittest", "--verbose"]).current_dir(cookbook().join("ci"));
        let output = python.env("ISSUER", quickstart.issuer()).env("API", &api.origin).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("Ran 2 tests"), "{}: {said}", api.name);
    }
}
