//! The suite, held against a store that keeps the contract and against every planted fault.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers fail as the test does")]

mod encrypted;
mod faulty;
mod planted;
mod report;

mod sound {
    use countersign_storage_traits::testkit::{Fault, Planted};

    countersign_storage_traits::testkit!(Planted::new(Fault::None));
}

mod sound_and_sealed {
    use std::sync::Arc;

    use countersign_primitives::SystemRandom;
    use countersign_storage_traits::testkit::{Fault, Planted};
    use countersign_storage_traits::{Encrypted, MasterKey};

    countersign_storage_traits::testkit!(Encrypted::new(
        Planted::new(Fault::None),
        &MasterKey::from_bytes([1; 32]),
        "https://id.example.com",
        Arc::new(SystemRandom)
    ));
}

mod sound_and_slow {
    use countersign_storage_traits::testkit::{Fault, FaultScript, Faulty, Planted};

    fn slow() -> Faulty<Planted> {
        let script = FaultScript::new();
        script.delay(3);
        Faulty::new(Planted::new(Fault::None), script)
    }

    countersign_storage_traits::testkit!(slow());
}
