//! Properties: what holds for every input, and for every order of steps.

use bytes::Bytes;
use countersign_oauth_core::{Client, Params, check_redirect_uri};
use countersign_storage_memory::MemoryStore;
use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::kit::*;

proptest! {
    #[test]
    fn promise_7_params_parse_whatever_comes(bytes in vec(any::<u8>(), 0..2_000)) {
        let _ = Params::parse(&bytes);
    }

    #[test]
    fn promise_7_params_parse_what_looks_like_a_form(text in "[a-c=&%+0-9f\u{0}-\u{ff}]{0,200}") {
        if let Ok(params) = Params::parse(text.as_bytes()) {
            prop_assert!(params.iter().count() <= Params::MAX_PARAMETERS);
            for (name, value) in params.iter() {
                prop_assert!(!name.contains('\0') && !value.contains('\0'));
            }
        }
    }

    #[test]
    fn rfc6749_appendix_b_params_round_trip(pairs in vec(("[a-z_]{1,8}", "[^\\p{Cc}]{0,40}"), 0..20)) {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let params = Params::parse(encoded.as_bytes()).unwrap();
        let read: Vec<_> = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(&read, &pairs);
        let twice = pairs.iter().enumerate().any(|(at, (name, _))| pairs[..at].iter().any(|(earlier, _)| earlier == name));
        prop_assert_eq!(params.repeated().is_some(), twice);
    }

    #[test]
    fn promise_5_redirect_uris_are_never_equal_across_hosts(
        registered in uri(), asked in uri(), mangled in "[/:@?.%a-z0-9\\[\\]]{0,12}",
    ) {
        let check = |asked: &str| matches(&registered, asked);
        for asked in [asked, format!("{registered}{mangled}"), format!("https://{mangled}{}", &registered[8..])] {
            if check(&asked) {
                prop_assert_eq!(host(&registered), host(&asked), "{} {}", registered, asked);
                let loopback = registered.starts_with("http://");
                prop_assert!(loopback || registered == asked, "{} {}", registered, asked);
            }
        }
        prop_assert!(check_redirect_uri(&registered).is_err() || check(&registered));
    }

    #[test]
    fn promise_7_no_request_panics_the_engine(
        path in "/(oauth/token|authorize|.well-known/jwks.json|[a-z{}%/]{0,10})(\\?[a-z=&%]{0,30})?",
        content_type in "(application/x-www-form-urlencoded|application/json|[ -~]{0,20})",
        authorization in "(Basic [A-Za-z0-9+/=]{0,40}|Bearer [ -~]{0,40}|[ -~]{0,40})",
        cookie in "[ -~]{0,60}",
        body in vec(any::<u8>(), 0..300),
    ) {
        let kit = shared();
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let request = request(method, &path)
                .header("content-type", &content_type)
                .header("authorization", &authorization)
                .header("cookie", &cookie);
            let Ok(request) = request.body(Bytes::copy_from_slice(&body)) else { continue };
            let (parts, body) = request.into_parts();
            let again = http::Request::from_parts(parts.clone(), body.clone());
            prop_assert!(kit.handle(again).status.as_u16() < 500);
            let _ = block_on(kit.server.access(&parts, &body));
            let _ = block_on(kit.server.authorize(http::Request::from_parts(parts, body), None));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever order the steps come in, an ended grant yields nothing, and nothing that was issued under it works.
    #[test]
    fn promise_12_no_order_of_steps_yields_a_token_of_an_ended_grant(steps in vec(step(), 1..40)) {
        walk(&steps);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Authorize,
    Redeem(usize),
    Refresh(usize),
    RefreshOld(usize),
    Replay(usize),
    Revoke,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Authorize),
        3 => any::<usize>().prop_map(Step::Redeem),
        4 => any::<usize>().prop_map(Step::Refresh),
        1 => any::<usize>().prop_map(Step::RefreshOld),
        1 => any::<usize>().prop_map(Step::Replay),
        1 => Just(Step::Revoke),
        2 => (0..50_u64).prop_map(Step::Wait),
    ]
}

/// A grant as the test knows it.
#[derive(Default)]
struct Walked {
    code: String,
    issued_at: u64,
    tokens: Vec<Answer>,
    rotated_at: u64,
    ended: bool,
}

fn walk(steps: &[Step]) {
    let kit = Kit::new();
    let mut grants: Vec<Walked> = Vec::new();
    let mut now = 0;
    for step in steps {
        let count = grants.len().max(1);
        match step {
            Step::Authorize => {
                let code = kit.code("app", "openid offline_access");
                grants.push(Walked { code, issued_at: now, ..Walked::default() });
            }
            Step::Wait(seconds) => {
                kit.advance(*seconds);
                now += seconds;
            }
            Step::Revoke => {
                block_on(kit.server.revoke_subject("alice")).unwrap();
                grants.iter_mut().for_each(|grant| grant.ended = true);
            }
            Step::Redeem(at) | Step::Replay(at) => {
                let Some(grant) = grants.get_mut(at % count) else { continue };
                let answer = kit.redeem("app", &grant.code);
                let first = grant.tokens.is_empty() && now - grant.issued_at < 60;
                assert_eq!(answer.status == 200, first && !grant.ended, "{}", answer.json);
                if answer.status == 200 {
                    grant.tokens.push(answer);
                    grant.rotated_at = now;
                } else if !grant.tokens.is_empty() {
                    grant.ended = true;
                }
            }
            Step::Refresh(at) => {
                let Some(grant) = grants.get_mut(at % count) else { continue };
                let Some(tokens) = grant.tokens.last() else { continue };
                let answer = kit.refresh("app", tokens.text("refresh_token"));
                assert_eq!(answer.status == 200, !grant.ended, "{}", answer.json);
                if answer.status == 200 {
                    grant.tokens.push(answer);
                    grant.rotated_at = now;
                }
            }
            Step::RefreshOld(at) => {
                let Some(grant) = grants.get_mut(at % count) else { continue };
                let [.., old, current] = &grant.tokens[..] else { continue };
                let answer = kit.refresh("app", old.text("refresh_token"));
                let in_grace = now - grant.rotated_at < 30;
                assert_eq!(answer.status == 200, in_grace && !grant.ended, "{}", answer.json);
                if answer.status == 200 {
                    assert_eq!(answer.text("refresh_token"), current.text("refresh_token"));
                } else {
                    grant.ended = true;
                }
            }
        }
        for grant in &grants {
            if let Some(tokens) = grant.tokens.last().filter(|_| now - grant.rotated_at < 900) {
                assert_eq!(kit.access(tokens.text("access_token")).is_ok(), !grant.ended);
            }
        }
    }
    for grant in grants.iter().filter(|grant| grant.ended) {
        grant.tokens.iter().for_each(|tokens| kit.is_dead("app", tokens));
    }
}

/// URIs that resemble one another.
fn uri() -> impl Strategy<Value = String> {
    let host = "(a\\.example|b\\.example|a\\.example\\.b\\.example|127\\.0\\.0\\.1|127\\.0\\.0\\.2|localhost|\\[::1\\]|a\\.example@b\\.example)";
    let port = "(:80|:443|:8080|)";
    let rest = "(/cb|/|\\?x|)";
    (proptest::bool::ANY, host, port, rest).prop_map(|(secure, host, port, rest)| {
        let scheme = if secure { "https" } else { "http" };
        format!("{scheme}://{host}{port}{rest}")
    })
}

fn host(uri: &str) -> String {
    let after = uri.split_once("://").unwrap().1;
    let authority = after.split(['/', '?', '#']).next().unwrap();
    let host = authority.rsplit('@').next().unwrap();
    match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap().to_owned(),
        None => host.split(':').next().unwrap().to_owned(),
    }
}

/// Whether a server redirects to `asked` for a client that registered `registered`.
fn matches(registered: &str, asked: &str) -> bool {
    thread_local! {
        static TABLE: Table = Table::default();
        static KIT: Kit = TABLE.with(|table| {
            let table = table.clone();
            Kit::over(ISSUER, MemoryStore::new(), |builder| builder.clients(table))
        });
    }
    TABLE.with(|table| *table.0.lock().unwrap() = Some(registered.to_owned()));
    let form = authorization("any", "read").with("redirect_uri", asked).with("prompt", "none");
    let outcome = KIT.with(|kit| kit.authorize(&mut Jar::default(), &form, None));
    name(&outcome) == "done"
}

/// A table of one client, of which the redirect URI changes.
#[derive(Clone, Default)]
struct Table(std::sync::Arc<std::sync::Mutex<Option<String>>>);

#[async_trait::async_trait]
impl countersign_oauth_core::Clients for Table {
    async fn find(
        &self,
        id: &countersign_oauth_core::ClientId,
    ) -> Result<Option<std::sync::Arc<Client>>, countersign_primitives::BoxError> {
        let uri = self.0.lock().unwrap().clone();
        Ok(uri.map(|uri| std::sync::Arc::new(Client::public(id.as_str()).redirect_uri(uri))))
    }
}

fn shared() -> Kit {
    thread_local!(static KIT: Kit = Kit::new());
    KIT.with(Clone::clone)
}
