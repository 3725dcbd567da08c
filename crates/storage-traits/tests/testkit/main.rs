//! The suite, held against a store that keeps the contract and against every planted fault.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers fail as the test does")]

mod cached;
mod encrypted;
mod faulty;
mod instrumented;
mod leaving;
mod moving;
mod planted;
mod report;
mod resealing;

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

mod sound_and_measured {
    use std::sync::Arc;

    use countersign_storage_traits::testkit::{Fault, Planted};
    use countersign_storage_traits::{Instrumented, StoreMetrics};

    countersign_storage_traits::testkit!(Instrumented::new(Planted::new(Fault::None), Arc::new(StoreMetrics::new())));
}

mod sound_and_remembering {
    use countersign_storage_traits::testkit::{Fault, Planted};
    use countersign_storage_traits::{Cached, Kind};

    countersign_storage_traits::testkit!(Cached::new(
        Planted::new(Fault::None),
        (0..=u8::MAX).map(Kind),
        Cached::<Planted>::MAX_STALENESS
    ));
}

mod sound_slow_and_remembering {
    use countersign_storage_traits::testkit::{Fault, FaultScript, Faulty, Planted};
    use countersign_storage_traits::{Cached, Kind};

    fn slow() -> Cached<Faulty<Planted>> {
        let script = FaultScript::new();
        script.delay(3);
        let store = Faulty::new(Planted::new(Fault::None), script);
        Cached::new(store, (0..=u8::MAX).map(Kind), Cached::<Planted>::MAX_STALENESS)
    }

    countersign_storage_traits::testkit!(slow());
}
