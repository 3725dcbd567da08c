use countersign_tokens::{Ring, SigningAlgorithm, left_half_hash};

use crate::unb64;

#[test]
fn oidc_core_3_1_3_6_at_hash_and_c_hash() {
    // The values of OpenID Connect Core appendices A.3 and A.4.
    let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
    assert_eq!(left_half_hash(&Ring, SigningAlgorithm::Rs256, access_token), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_eq!(left_half_hash(&Ring, SigningAlgorithm::Rs256, code), "LDktKdoQak3Pk0cnXxCltA");
}

#[test]
fn oidc_core_3_1_3_6_the_hash_is_that_of_the_algorithm() {
    for (algorithm, half) in [
        (SigningAlgorithm::Es256, 16),
        (SigningAlgorithm::Ps256, 16),
        (SigningAlgorithm::Es384, 24),
        (SigningAlgorithm::EdDsa, 32),
    ] {
        assert_eq!(unb64(&left_half_hash(&Ring, algorithm, "t")).len(), half, "{algorithm}");
    }
}
