//! What the report of an adapter says.

use countersign_storage_traits::testkit::{self, Fault, GUARANTEES, Planted, Report, block_on};
use countersign_storage_traits::{Capabilities, StoreError};

fn report(fault: Fault) -> Report {
    testkit::report(async || Ok::<_, StoreError>(Planted::new(fault)), |future| block_on(future)).unwrap()
}

#[test]
fn a_store_that_keeps_everything_passes_with_every_guarantee_named() {
    let report = report(Fault::None);
    assert!(report.passed(), "{report}");
    assert_eq!(report.capabilities(), Capabilities::VOLATILE);
    let text = report.to_string();
    for guarantee in GUARANTEES {
        assert!(text.contains(&format!("kept    {}", guarantee.name)), "{text}");
    }
    let all = GUARANTEES.len();
    assert!(text.contains("declared: durable no"), "{text}");
    assert!(text.ends_with(&format!("{all} of {all} guarantees kept")), "{text}");
}

#[test]
fn a_fault_is_reported_by_the_guarantees_that_it_breaks_and_the_others_are_kept() {
    let report = report(Fault::PayloadCut);
    assert!(!report.passed());
    let broken: Vec<_> = report.broken().map(|(name, _)| name).collect();
    assert!(broken.contains(&"payloads_come_back_byte_for_byte"), "{broken:?}");
    assert!(!broken.contains(&"a_charge_never_passes_its_limit"), "{broken:?}");
    let text = report.to_string();
    assert!(text.contains("BROKEN  payloads_come_back_byte_for_byte: "), "{text}");
}

#[test]
fn a_store_that_cannot_be_opened_is_an_error_and_no_finding() {
    let shut = || StoreError::unavailable("the door is shut");
    let outcome = testkit::report(async || Err::<Planted, _>(shut()), |future| block_on(future));
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
}
