//! Hashes of other systems, by vectors that others published.

use super::*;

const PBKDF2: [(&str, &str); 6] = [
    // RFC 7914 §11, as a PHC string.
    (
        "passwd",
        "$pbkdf2-sha256$i=1,l=64$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd+8xfHG4RbHjC9UJESBB0\
         6GXgw",
    ),
    // passlib's own tests.
    ("password", "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"),
    (
        "\u{399}\u{3c9}\u{3b1}\u{3bd}\u{3bd}\u{3b7}\u{3c2}",
        "$pbkdf2-sha256$1212$3SABFJGDtyhrQMVt1uABPw$WyaUoqCLgvz97s523nF4iuOqZNbp5Nt8do/cuaa7AiI",
    ),
    (
        "password",
        "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/Y\
         TNJOiKc5gBYFYGww",
    ),
    // Django's own tests.
    ("lètmein", "pbkdf2_sha256$12000$seasalt$Ybw8zsFxqja97tY/o6G+Fy1ksY4U/Hw3DRrGED6Up4s="),
    ("lètmein", "pbkdf2_sha256$20000$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0="),
];

async fn checked(password: &str, stored: &str) -> Checked {
    let (pool, hasher) = hasher();
    let checked = hasher.check(&password.into(), Some(&stored.into())).await.unwrap();
    assert_eq!(pool.0.load(Ordering::SeqCst), 1, "one job of the pool, whatever the hash");
    checked
}

async fn all_are_right_and_aged(vectors: &[(&str, &str)]) {
    for (password, stored) in vectors {
        assert_eq!(checked(password, stored).await, Checked::Right { aged: true }, "{stored}");
        assert_eq!(checked(&format!("{password}x"), stored).await, Checked::Wrong, "{stored}");
        let end = stored.len() - 4;
        let other = format!("{}{}", &stored[..end], stored[end..].chars().rev().collect::<String>());
        let other = checked(password, &other).await;
        assert!(!matches!(other, Checked::Right { .. }), "another hash than {stored}: {other:?}");
    }
}

#[tokio::test]
async fn rfc8018_5_2_pbkdf2_hashes_of_other_systems_are_right_and_aged() {
    all_are_right_and_aged(&PBKDF2).await;
}

#[cfg(feature = "legacy-hashes")]
#[tokio::test]
async fn bcrypt_hashes_of_other_systems_are_right_and_aged() {
    // The first three are of crypt_blowfish's tests, the others of jBCrypt's, one under each of the three names.
    all_are_right_and_aged(&[
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U*", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
        ("U*U*U", "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
        ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        ("abc", "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        ("abc", "$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
    ])
    .await;
}

#[cfg(feature = "legacy-hashes")]
#[tokio::test]
async fn what_bcrypt_has_not_seen_is_not_hashed_anew() {
    // crypt_blowfish: "chars after 72 are ignored". Whatever follows is right, and must not become the password.
    let seen = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    assert_eq!(seen.len(), 72);
    assert_eq!(checked(seen, stored).await, Checked::Right { aged: true });
    let more = format!("{seen}chars after 72 are ignored");
    assert_eq!(checked(&more, stored).await, Checked::Right { aged: false });
    // Implementations disagree on what a NUL byte does.
    assert_eq!(checked("a\0a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe").await, Checked::Wrong);
}

#[cfg(feature = "legacy-hashes")]
#[tokio::test]
async fn rfc7914_12_scrypt_hashes_are_right_and_aged() {
    all_are_right_and_aged(&[(
        "password",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfosw\
         GQA",
    )])
    .await;
}

#[test]
fn promise_7_a_hash_that_would_cost_too_much_is_refused_and_not_computed() {
    let salt_and_hash = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut costly = vec![
        format!("$argon2id$v=19$m=4000000000,t=1,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=8,t=65,p=1${salt_and_hash}"),
        format!("$pbkdf2-sha256$i=5000001${salt_and_hash}"),
        format!("$pbkdf2-sha512$99999999999999999999${salt_and_hash}"),
        format!("pbkdf2_sha256$4000000000${salt_and_hash}="),
    ];
    if cfg!(feature = "legacy-hashes") {
        costly.extend([
            format!("$scrypt$ln=21,r=8,p=1${salt_and_hash}"),
            format!("$scrypt$ln=63,r=4000000000,p=1${salt_and_hash}"),
            format!("$scrypt$ln=200,r=8,p=1${salt_and_hash}"),
            format!("$scrypt$ln=10,r=8,p=17${salt_and_hash}"),
            "$2b$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        ]);
    }
    let (_, hasher) = hasher();
    for stored in costly {
        assert_eq!(hasher.accepts(&stored.as_str().into()), Err(HashRefused::TooCostly), "{stored}");
    }
}

#[test]
fn promise_7_a_hash_that_makes_no_sense_is_refused() {
    let salt_and_hash = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (_, hasher) = hasher();
    let accepts = |stored: &str| hasher.accepts(&stored.into());
    for stored in ["", "plain", "$1$salt$hash", "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"] {
        assert_eq!(accepts(stored), Err(HashRefused::UnknownKind), "{stored}");
    }
    let mut malformed = vec![
        "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        format!("$pbkdf2-sha256$i=0${salt_and_hash}"),
        format!("$pbkdf2-sha256$i=-1${salt_and_hash}"),
        format!("$pbkdf2-sha256$i=1000,l=31${salt_and_hash}"),
        format!("$pbkdf2-sha256$i=1000${salt_and_hash}$x"),
        "$pbkdf2-sha256$i=1000$AAAA$AAAA".to_owned(), // three bytes could be met by chance
        "$pbkdf2-sha256$i=1000$$".to_owned(),
        "pbkdf2_sha256$1000$salt$no base64".to_owned(),
    ];
    if cfg!(feature = "legacy-hashes") {
        malformed.extend([
            format!("$scrypt$ln=10,r=0,p=1${salt_and_hash}"),
            format!("$scrypt$r=8,ln=10,p=1${salt_and_hash}"),
            format!("$scrypt$ln=10,r=8,p=1,x=1${salt_and_hash}"),
            "$scrypt$ln=10,r=8,p=1$AAAA$AAAA".to_owned(),
            "$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
            "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
            "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe".to_owned(),
            "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe\u{e9}".to_owned(),
        ]);
    }
    for stored in malformed {
        assert_eq!(accepts(&stored), Err(HashRefused::Malformed), "{stored}");
    }
}

#[tokio::test]
async fn promise_6_a_hash_that_is_refused_costs_the_work_of_a_decoy() {
    let (pool, hasher) = hasher();
    for (stored, refused) in [
        ("$1$salt$hash", HashRefused::UnknownKind),
        ("$pbkdf2-sha256$i=4000000000$AAAA$AAAA", HashRefused::TooCostly),
        ("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA", HashRefused::Malformed),
    ] {
        let before = pool.0.load(Ordering::SeqCst);
        let checked = hasher.check(&"plain".into(), Some(&stored.into())).await.unwrap();
        assert_eq!(checked, Checked::Refused(refused), "{stored}");
        assert_eq!(pool.0.load(Ordering::SeqCst), before + 1);
    }
}

#[tokio::test]
async fn nist_sp800_63b_4_3_1_1_2_one_password_however_unicode_writes_it() {
    let (_, hasher) = hasher();
    let hash = hasher.hash(&"Zu\u{308}rich und Umgebung".into()).await.unwrap();
    for typed in ["Z\u{fc}rich und Umgebung", "Zu\u{308}rich\u{a0}und Umgebung"] {
        assert_eq!(hasher.check(&typed.into(), Some(&hash)).await.unwrap(), Checked::Right { aged: false }, "{typed}");
    }
    // Another system hashed it as it was typed.
    let as_typed = "$pbkdf2-sha256$i=1$AAAAAAAAAAAAAAAAAAAAAA$quyUt+VzDh6m5hlXJy3oQEcmJ9dBN9WTfsdncEF82DA";
    let checked = hasher.check(&"Zu\u{308}rich".into(), Some(&as_typed.into())).await.unwrap();
    assert_eq!(checked, Checked::Right { aged: true });
}
