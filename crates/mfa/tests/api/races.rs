//! Of any number of requests at once, one wins (promise 1).

use serde_json::json;

use crate::Kit;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn promise_1_of_many_redemptions_of_one_mfa_token_at_once_one_wins() {
    let kit = Kit::new().await;
    let (secret, codes, _) = kit.with_app("web", "alice").await;
    for by in ["otp", "recovery"] {
        kit.advance(30);
        let token = kit.mfa_token("web", "alice").await;
        let code = if by == "otp" { kit.app(&secret) } else { codes[0].clone() };
        let redeem = |_| {
            let (kit, token, code) = (kit.clone(), token.clone(), code.clone());
            tokio::spawn(async move {
                match by {
                    "otp" => kit.otp("web", &token, &code).await,
                    _ => kit.recovery("web", &token, &code).await,
                }
            })
        };
        let mut won = 0;
        for answer in futures_util::future::join_all((0..16).map(redeem)).await {
            let answer = answer.unwrap();
            won += usize::from(answer.status == 200);
            assert!([200, 400, 503].contains(&answer.status), "{}", answer.json);
        }
        assert_eq!(won, 1, "{by}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn promise_1_one_code_in_many_logins_at_once_lets_one_in() {
    let kit = Kit::new().await;
    let (secret, ..) = kit.with_app("web", "alice").await;
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(kit.mfa_token("web", "alice").await);
    }
    let code = kit.app(&secret);
    let redeem = |token: String| {
        let (kit, code) = (kit.clone(), code.clone());
        tokio::spawn(async move { kit.otp("web", &token, &code).await })
    };
    let answers = futures_util::future::join_all(tokens.into_iter().map(redeem)).await;
    let won = answers.iter().filter(|answer| answer.as_ref().unwrap().status == 200).count();
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m25_of_many_first_enrolments_at_once_one_comes_into_force() {
    let kit = Kit::new().await;
    let mut begun = Vec::new();
    for _ in 0..8 {
        let token = kit.mfa_token("web", "alice").await;
        let given = kit.associate(&token, json!({ "authenticator_types": ["otp"] })).await.ok();
        begun.push((token, kit.app(&given.text("secret"))));
    }
    let confirm = |(token, code): (String, String)| {
        let kit = kit.clone();
        tokio::spawn(async move { kit.otp("web", &token, &code).await })
    };
    let answers = futures_util::future::join_all(begun.into_iter().map(confirm)).await;
    let won = answers.iter().filter(|answer| answer.as_ref().unwrap().status == 200).count();
    assert_eq!(won, 1);
    let token = kit.mfa_token("web", "alice").await;
    let listed = kit.list(&token).await.ok().json;
    assert_eq!(listed.as_array().unwrap().len(), 2, "the app and its recovery codes: {listed}");
}
