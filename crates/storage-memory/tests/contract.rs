//! The store in memory keeps every guarantee of the contract, bare and sealed.

mod bare {
    use countersign_storage_memory::MemoryStore;

    countersign_storage_traits::testkit!(MemoryStore::new());
}

mod sealed {
    use std::sync::Arc;

    use countersign_primitives::SystemRandom;
    use countersign_storage_memory::MemoryStore;
    use countersign_storage_traits::{Encrypted, MasterKey};

    countersign_storage_traits::testkit!(Encrypted::new(
        MemoryStore::new(),
        &MasterKey::from_bytes([1; 32]),
        "https://id.example.com",
        Arc::new(SystemRandom)
    ));
}

mod residue {
    use std::time::Duration;

    use countersign_primitives::{Id, SystemRandom, UnixTime};
    use countersign_storage_memory::MemoryStore;
    use countersign_storage_traits::testkit::block_on;
    use countersign_storage_traits::{Batch, Charge, CounterKey, Expect, Index, Key, Kind, Store};

    #[test]
    fn a_day_of_traffic_leaves_no_residue() {
        let (store, start) = (MemoryStore::new(), UnixTime::from_secs(1_800_000_000));
        for second in 0..2_000_u16 {
            let now = start.plus(Duration::from_secs(u64::from(second)));
            let id = Id::from_bytes(u128::from(second).to_be_bytes());
            let key = Key::root(Kind(200), id);
            let mut batch = Batch::new(id, now, &SystemRandom).unwrap();
            let lists = vec![Index { name: 1, value: Id::from_bytes([second.to_be_bytes()[1]; 16]) }];
            batch.put(key, Expect::Absent, now.plus(Duration::from_secs(60)), lists, "token");
            block_on(store.commit(&batch)).unwrap();
            let window = Duration::from_secs(30);
            block_on(store.charge(&[Charge { counter: CounterKey(id), add: 1, limit: 5, window }], now)).unwrap();
        }
        assert_eq!(store.len(), 4_000);
        let end = start.plus(Duration::from_secs(86_400));
        while block_on(store.sweep(end, 100)).unwrap().more {}
        assert!(store.is_empty(), "{store:?}");
    }
}

mod sweeping {
    use std::time::Duration;

    use countersign_primitives::{Id, SystemRandom, UnixTime};
    use countersign_storage_memory::MemoryStore;
    use countersign_storage_traits::testkit::{block_on, sweep_beside_traffic};
    use countersign_storage_traits::{BACKLOG_COUNTED, Batch, Expect, Key, Kind, Store};

    #[test]
    fn twenty_thousand_go_beside_traffic() {
        let swept = block_on(sweep_beside_traffic(&MemoryStore::new(), 20_000));
        assert!(swept.removed >= 19_000 && swept.calls >= 20 && swept.largest <= 1_000, "{swept:?}");
        let slowest = swept.beside.percentile(99);
        assert!(slowest < Duration::from_secs(1), "no commit waits long beside two sweepers: {slowest:?}");
    }

    #[test]
    fn health_tells_the_backlog_by_the_latest_time_that_a_caller_named() {
        let (store, start) = (MemoryStore::new(), UnixTime::from_secs(1_000_000));
        let backlog = || block_on(store.health()).unwrap().backlog;
        let put = |number: u128, now: UnixTime, expiry| {
            let key = Key::root(Kind(200), Id::from_bytes(number.to_be_bytes()));
            let mut batch = Batch::new(key.partition, now, &SystemRandom).unwrap();
            batch.put(key, Expect::Any, expiry, Vec::new(), "token");
            block_on(store.commit(&batch)).unwrap();
        };
        for number in 0..300 {
            put(number, start, start.plus(Duration::from_secs(1)));
        }
        assert_eq!(backlog(), Some(0), "nothing has expired");
        let later = start.plus(Duration::from_secs(3_600));
        put(1_000, later, UnixTime::MAX);
        assert_eq!(backlog(), Some(300));
        block_on(store.sweep(later, 200)).unwrap();
        assert_eq!(backlog(), Some(100));
        for number in 0..u128::from(BACKLOG_COUNTED) {
            put(2_000 + number, start, start.plus(Duration::from_secs(1)));
        }
        assert_eq!(backlog(), Some(BACKLOG_COUNTED), "and is counted no further");
    }
}
