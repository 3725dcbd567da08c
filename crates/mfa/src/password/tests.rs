//! Passwords of our own, and bounds.

mod foreign;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;

/// Runs on the spot, and counts.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl WorkPool for Counting {
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), PoolFull> {
        self.0.fetch_add(1, Ordering::SeqCst);
        job();
        Ok(())
    }
}

const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

fn hasher() -> (Arc<Counting>, PasswordHasher) {
    let pool = Arc::new(Counting::default());
    let hasher = PasswordHasher::new(pool.clone()).cost(CHEAP).unwrap();
    (pool, hasher)
}

#[tokio::test]
async fn a_password_matches_its_hash_and_no_other() {
    let (_, hasher) = hasher();
    let hash = hasher.hash(&"correct horse".into()).await.unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", hash.as_str());
    let check = |text: &str| SecretString::new(text);
    assert_eq!(hasher.check(&check("correct horse"), Some(&hash)).await.unwrap(), Checked::Right { aged: false });
    for wrong in ["correct horse ", "Correct horse", "", "correct hors"] {
        assert_eq!(hasher.check(&check(wrong), Some(&hash)).await.unwrap(), Checked::Wrong, "{wrong:?}");
    }
}

#[tokio::test]
async fn promise_6_a_decoy_costs_one_computation_of_the_same_parameters() {
    let (pool, hasher) = hasher();
    assert_eq!(hasher.check(&"any".into(), None).await.unwrap(), Checked::Wrong);
    assert_eq!(pool.0.load(Ordering::SeqCst), 1);
    let StoredHash::Argon2 { hash, .. } = hasher.decoy().unwrap() else { panic!("a decoy of another kind") };
    let decoy = hash.to_string();
    assert!(decoy.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{decoy}");
    let made = hasher.hash(&"any".into()).await.unwrap();
    assert_eq!(decoy.len(), made.as_str().len());
}

#[tokio::test]
async fn hashes_of_another_cost_or_kind_are_right_and_aged() {
    let (_, hasher) = hasher();
    let other = hasher.clone().cost(PasswordCost { memory_kib: 16, ..CHEAP }).unwrap();
    let hash = other.hash(&"pw".into()).await.unwrap();
    assert_eq!(hasher.check(&"pw".into(), Some(&hash)).await.unwrap(), Checked::Right { aged: true });
    let argon2i = Argon2::new(Algorithm::Argon2i, Version::V0x10, CHEAP.params().unwrap());
    let hash = PasswordHash::new(argon2i.hash_password_with_salt(b"pw", &[3; 16]).unwrap().to_string());
    assert_eq!(hasher.check(&"pw".into(), Some(&hash)).await.unwrap(), Checked::Right { aged: true });
}

#[tokio::test]
async fn promise_7_passwords_are_bounded_before_they_are_hashed() {
    let (pool, hasher) = hasher();
    let long = SecretString::new("x".repeat(1_025));
    assert_eq!(hasher.hash(&long).await, Err(PasswordError::Length));
    assert_eq!(hasher.hash(&SecretString::default()).await, Err(PasswordError::Length));
    assert_eq!(hasher.check(&long, None).await.unwrap(), Checked::Wrong);
    assert_eq!(pool.0.load(Ordering::SeqCst), 0);
    assert!(hasher.hash(&SecretString::new("x".repeat(1_024))).await.is_ok());
}

#[test]
fn costs_out_of_range_are_refused() {
    let (_, hasher) = hasher();
    for bad in [
        PasswordCost { memory_kib: 0, ..CHEAP },
        PasswordCost { passes: 0, ..CHEAP },
        PasswordCost { lanes: 0, ..CHEAP },
        PasswordCost { memory_kib: PasswordCost::MAX_MEMORY_KIB + 1, ..CHEAP },
    ] {
        assert!(matches!(hasher.clone().cost(bad), Err(MfaConfigError::PasswordParameters)), "{bad:?}");
    }
}
