//! Where a code that is sent does not stand: in no record, event or debug output (promise 4, M28, M36).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_events::{Event, Events};
use countersign_mfa::{Answer, Caller, EmailCodes, FirstEnrolment, LoginId, LoginRequest, Mfa, Policy, SmsCodes, Step};
use countersign_primitives::{Amr, Clock, Id, ManualClock, Requirement, SignedIn, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{
    Batch, Capabilities, Change, Charge, Charged, CommitError, Cursor, Health, Index, Key, Page, Record, RootKey,
    Store, StoreError, Swept,
};

use crate::letterbox::{ADDRESS, Letterbox, NUMBER};
use crate::support::NOW;

/// A bare store that remembers all that was ever written to it.
#[derive(Debug, Clone, Default)]
struct Remembering(MemoryStore, Arc<Mutex<Vec<u8>>>);

impl Remembering {
    fn has(&self, text: &str) -> bool {
        self.1.lock().unwrap().windows(text.len()).any(|part| part == text.as_bytes())
    }
}

#[async_trait]
impl Store for Remembering {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.0.get(keys, now).await
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        for op in batch.ops() {
            if let Change::Put { payload, .. } = &op.change {
                self.1.lock().unwrap().extend_from_slice(payload);
            }
        }
        self.0.commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.0.list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.0.charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.0.sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.0.health().await
    }
}

/// An engine whose records can be read as they are: without the seal that lies around them in earnest.
async fn unsealed(letters: &Letterbox, heard: Arc<Mutex<Vec<String>>>) -> (Mfa, Remembering) {
    let store = Remembering::default();
    let events = Events::none().and(move |event: &Event| {
        heard.lock().unwrap().push(format!("{event:?} {}", serde_json::to_string(event).unwrap()));
    });
    let root = RootKey::from_bytes([9; 32]);
    let mfa = Mfa::builder_sealed(Arc::new(store.clone()), &root)
        .realm("https://id.example.com")
        .factor(SmsCodes::new(letters.clone()))
        .factor(EmailCodes::new(letters.clone()))
        .policy(Policy::always().first_enrolment(FirstEnrolment::ThisLogin))
        .clock(Arc::new(ManualClock::at(NOW)))
        .events(events)
        .build()
        .await
        .unwrap();
    (mfa, store)
}

#[tokio::test]
async fn promise_4_m28_m36_a_code_stands_in_no_record_event_or_debug_output() {
    for (method, contact) in [("sms", NUMBER), ("email", ADDRESS)] {
        let (letters, heard) = (Letterbox::default(), Arc::default());
        let (mfa, store) = unsealed(&letters, Arc::clone(&heard)).await;
        let (id, caller) = (LoginId(Id::from_bytes([3; 16])), Caller::new(Id::from_bytes([4; 16])));
        let who = SignedIn::new("u-1", ManualClock::at(NOW).now()).amr([Amr::Pwd]);
        let request = LoginRequest::new().requirement(Requirement::MFA).who(who);
        let mut shown = vec![mfa.begin(id, request, &caller).await.unwrap()];
        for answer in [Answer::choose(format!("enrol|{method}")), Answer::contact(contact)] {
            shown.push(mfa.answer(id, &answer, &caller).await.unwrap());
        }
        let code = letters.last();
        let answer = Answer::enrol(&code);
        shown.push(mfa.answer(id, &answer, &caller).await.unwrap());
        assert!(matches!(shown.last(), Some(Step::RecoveryCodes(_))), "{shown:?}");
        let told = format!("{shown:?} {answer:?} {mfa:?} {:?}", heard.lock().unwrap());
        assert!(store.has("authenticators"), "the records can be read");
        assert!(!store.has(&code), "{method}: a keyed hash alone");
        // Ids are digits and letters too: the code is looked for as a word.
        let words: Vec<_> = told.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
        assert!(!words.contains(&code.as_str()), "{method}: {told}");
        assert!(!told.contains("151") && !told.contains("alice@"), "{method}: nor number or address: {told}");
        let json = serde_json::to_string(&shown[2]).unwrap();
        assert!(!json.contains("15112345") && !json.contains("alice@"), "steps show most of it hidden: {json}");
    }
}
