//! Policy × group × user × client × scope, each cell by real requests (promise 8). What a cell must ask for is worked out by a model
//! that knows nothing of how the server does.

use std::time::Duration;

use async_trait::async_trait;
use countersign::mfa::{
    Answer, Challenge, Enrolled, Enrolment, Existing, Factor, FactorError, FirstEnrolment, Method, Occasion,
    PasswordHasher, Policy, Prompt, Verdict,
};
use countersign::otp::{TotpParameters, TotpSecret};
use countersign::{Account, Acr, Amr, Client, Clock, Requirement, Scope, Subject, TokioPool};
use countersign_storage_memory::MemoryStore;
use serde_json::{Value, json};

use crate::support::{Bench, Browser, CHEAP, ISSUER, claims, code_of};

/// A made-up key that cannot be phished: it answers with what it was asked.
#[derive(Debug)]
pub(crate) struct SecurityKey;

#[async_trait]
impl Factor for SecurityKey {
    fn method(&self) -> Method {
        Method::new("key", "Security key").amr([Amr::Hwk]).danger_phishing_resistant()
    }
    async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        Enrolment::new(Prompt::text("touch it"), &())
    }
    async fn challenge(&self, at: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        let nonce = 1_000 + u16::from_be_bytes(at.random().array::<2>()?) % 9_000;
        Challenge::new(Prompt::code(nonce.to_string(), 4), &nonce)
    }
    async fn verify(
        &self,
        _: &Occasion<'_>,
        _: &Enrolled<'_>,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        Ok(Verdict::when(answer.is_code(&challenge.state::<u16>()?.to_string())))
    }
}

/// What may be asked for: by rank, and how old it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ask {
    rank: u8,
    max_age: Option<u64>,
}

impl Ask {
    const NONE: Self = Self { rank: 1, max_age: None };
    const TWO: Self = Self { rank: 2, max_age: None };
    const RESISTANT: Self = Self { rank: 3, max_age: None };
    const TWO_FRESH: Self = Self { rank: 2, max_age: Some(300) };

    fn requirement(self) -> Requirement {
        let class = match self.rank {
            1 => Requirement::NONE,
            2 => Requirement::MFA,
            _ => Requirement::PHISHING_RESISTANT,
        };
        self.max_age.map_or(class.clone(), |age| class.max_age(Duration::from_secs(age)))
    }

    /// Strictest wins: the model.
    fn all(asks: [Self; 5]) -> Self {
        let max_age = asks.iter().filter_map(|ask| ask.max_age).min();
        Self { rank: asks.iter().map(|ask| ask.rank).max().unwrap_or(1), max_age }
    }
}

const THREE: [Ask; 3] = [Ask::NONE, Ask::TWO, Ask::RESISTANT];
const SCOPES: [(&str, Ask); 4] =
    [("plain", Ask::NONE), ("two", Ask::TWO), ("resistant", Ask::RESISTANT), ("fresh", Ask::TWO_FRESH)];
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// What is proven in a cell beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Nothing,
    Code,
    Key,
}

impl Proof {
    fn rank(self) -> u8 {
        match self {
            Self::Nothing => 1,
            Self::Code => 2,
            Self::Key => 3,
        }
    }
    fn method(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Code => "totp",
            Self::Key => "key",
        }
    }
}

fn subject(group: usize, user: usize) -> String {
    format!("u-{group}-{user}")
}

/// A server under this policy, on a store that others share.
async fn server(store: &MemoryStore, policy: Policy) -> Bench {
    Bench::on(ISSUER, store.clone(), |builder| {
        let mut builder = builder.factor(SecurityKey).policy(policy.first_enrolment(FirstEnrolment::ThisLogin));
        for (name, ask) in SCOPES {
            builder = builder.scope(Scope::new(name, name).requires(ask.requirement()));
        }
        for (number, ask) in THREE.into_iter().enumerate() {
            let client = Client::public(format!("client-{number}")).redirect_uri("https://shop.example.com/callback");
            builder = builder.client(client.scope("openid plain two resistant fresh").requires(ask.requirement()));
        }
        builder
    })
    .await
}

/// Nine users, each in a group, with a key and an authenticator app of the same seed.
async fn users(bench: &Bench) {
    let hasher = PasswordHasher::new(std::sync::Arc::new(TokioPool::default())).cost(CHEAP).unwrap();
    let hash = hasher.hash(&"a-password".into()).await.unwrap();
    for group in 0..THREE.len() {
        for user in 0..THREE.len() {
            let name = subject(group, user);
            let account = Account::new(&*name).username(&name).password_hash(hash.clone());
            let account = account.group(format!("group-{group}"));
            bench.server.stored_accounts().unwrap().import([account], Existing::Keep).await.unwrap();
            let mut browser = bench.browser();
            let at = browser.authorize_as("client-0", "scope=openid%20two").await;
            let step = password(&mut browser, &at, &name).await;
            let step = browser.answer(&at, &step, json!({"answer": "choose", "id": "enrol|key"})).await;
            let step = browser.answer(&at, &step, json!({"answer": "enrol", "code": step["question"]})).await;
            browser.answer(&at, &step, json!({"answer": "recovery_codes"})).await;
            let authenticators = bench.server.mfa().unwrap().authenticators();
            authenticators.import_totp(&Subject::new(&*name), SECRET).await.unwrap();
        }
    }
}

async fn password(browser: &mut Browser<'_>, at: &str, name: &str) -> Value {
    let step = browser.step(at).await;
    browser.answer(at, &step, json!({"answer": "password", "login": name, "password": "a-password"})).await
}

/// The way of this method, where it is offered: chosen already, or to be chosen.
async fn offered(browser: &mut Browser<'_>, at: &str, step: &Value, method: &str) -> Option<Value> {
    if step["type"] == method {
        return Some(step.clone());
    }
    let ways = step["authenticators"].as_array().or(step["or"].as_array())?;
    let id = ways.iter().find(|way| way["type"] == method)?["id"].clone();
    Some(browser.answer(at, step, json!({"answer": "choose", "id": id})).await)
}

pub(crate) fn rank(acr: &Value) -> u8 {
    let ranks = [(&Acr::AAL1, 1), (&Acr::MFA, 2), (&Acr::PHR, 3)];
    ranks.into_iter().find(|(known, _)| *acr == known.as_str()).map_or(0, |(_, rank)| rank)
}

/// One cell: what was asked, and what came of it.
async fn cell(bench: &Bench, (client, scope): (&str, &str), name: &str, must: Ask, proof: Proof) {
    let cell = format!("{client} {scope} {name} {must:?} {proof:?}");
    let mut browser = bench.browser();
    let query = format!("scope=openid%20{scope}");
    let at = browser.authorize_as(client, &query).await;
    let step = password(&mut browser, &at, name).await;
    let asks = step["step"] == "code" || step["step"] == "choose";
    assert_eq!(asks, must.rank > 1, "{cell}: {step}");
    let step = match proof {
        Proof::Nothing => step,
        Proof::Code | Proof::Key => {
            let way = offered(&mut browser, &at, &step, proof.method()).await;
            assert_eq!(way.is_some(), proof.rank() >= must.rank, "{cell}: only what can reach it is offered: {step}");
            let step = way.unwrap_or(step);
            let seed = TotpSecret::from_base32(SECRET, TotpParameters::default()).unwrap();
            let code = if step["type"] == "key" && proof == Proof::Key {
                step["text"].clone()
            } else {
                json!(bench.code(&seed))
            };
            browser.post(&at, &step, json!({"answer": "code", "code": code})).await.1
        }
    };
    if proof.rank() < must.rank {
        // No step further, by whatever door.
        let consent = browser.post(&at, &step, json!({"answer": "consent"})).await.1;
        let silent = browser.authorize_as(client, &format!("{query}&prompt=none")).await;
        let again = browser.step(&at).await;
        for told in [&step["step"], &consent["step"], &again["step"]] {
            assert!(told != "done" && told != "consent", "{cell}: {step} {consent} {again}");
        }
        assert!(silent.contains("error=login_required"), "{cell}: {silent}");
        return;
    }
    let redirect = browser.consent(&at, &step).await;
    let (status, tokens) = browser.redeem_as(client, &code_of(&redirect)).await;
    assert!(status.is_success(), "{cell}: {tokens}");
    for token in ["id_token", "access_token"] {
        let told = claims(&tokens[token]);
        assert_eq!(rank(&told["acr"]), proof.rank(), "{cell}: {told}");
    }
    assert!(tokens["scope"].as_str().unwrap().contains(scope), "{cell}: {tokens}");
    // Age: a session of five minutes is enough where nothing says that it is not.
    bench.clock.advance(Duration::from_secs(301));
    let later = browser.authorize_as(client, &format!("{query}&prompt=none")).await;
    assert_eq!(later.contains("code="), must.max_age.is_none(), "{cell}: {later}");
}

#[tokio::test]
async fn promise_8_of_970_cells_none_yields_a_token_below_what_policy_client_scope_group_and_user_ask() {
    let store = MemoryStore::new();
    let first = server(&store, Policy::never()).await;
    users(&first).await;
    let mut cells = 0;
    for everybody in THREE {
        let mut policy = Policy::of_everybody(everybody.requirement());
        for (number, ask) in THREE.into_iter().enumerate() {
            policy = policy.group(format!("group-{number}"), ask.requirement());
            for group in 0..THREE.len() {
                policy = policy.user(subject(group, number), ask.requirement());
            }
        }
        let bench = server(&store, policy).await;
        bench.clock.advance(first.clock.now().since(bench.clock.now())); // codes are used once: time goes on
        for (group, of_group) in THREE.into_iter().enumerate() {
            for (user, of_user) in THREE.into_iter().enumerate() {
                for (client, of_client) in THREE.into_iter().enumerate() {
                    for (scope, of_scope) in SCOPES {
                        let must = Ask::all([everybody, of_group, of_user, of_client, of_scope]);
                        for proof in [Proof::Nothing, Proof::Code, Proof::Key] {
                            if must.rank == 1 && proof != Proof::Nothing {
                                continue; // nothing more is asked
                            }
                            bench.clock.advance(Duration::from_secs(60));
                            let asked = (&*format!("client-{client}"), scope);
                            cell(&bench, asked, &subject(group, user), must, proof).await;
                            cells += 1;
                        }
                    }
                }
            }
        }
        first.clock.advance(bench.clock.now().since(first.clock.now()));
    }
    assert_eq!(cells, 970);
}
