//! The Signal API (§5.1.10).

use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use serde_json::{json, to_value};

use crate::site::{alice, passkey, site, user};

#[test]
fn webauthn_5_1_10_signals_have_the_members_that_browsers_read() {
    let (site, handle) = (site(), alice());
    let mut phone = SoftAuthenticator::platform().unwrap();
    let (first, second) = (passkey(&mut phone), passkey(&mut phone));
    let unknown = json!({"rpId": "example.org", "credentialId": first.id().to_string()});
    assert_eq!(to_value(site.signal_unknown(first.id())).unwrap(), unknown);
    let mut foreign = to_value(&second).unwrap();
    foreign["user"] = "Ym9i".into();
    let foreign = serde_json::from_value(foreign).unwrap();
    let accepted = json!({"rpId": "example.org", "userId": handle.to_string(), "allAcceptedCredentialIds": [first.id().to_string()]});
    assert_eq!(to_value(site.signal_accepted(&handle, [&first, &foreign])).unwrap(), accepted, "and no other user's");
    let details = json!({"rpId": "example.org", "userId": handle.to_string(), "name": "alice@example.org", "displayName": "Alice"});
    assert_eq!(to_value(site.signal_details(user(&handle))).unwrap(), details);
}
