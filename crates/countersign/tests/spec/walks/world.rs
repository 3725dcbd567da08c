//! The walkers: browsers and clients, what they hold, and what of it was proven.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    Password,
    Code,
    Key,
}

/// A right secret that was sent: whose, what, when, and to which tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Proof {
    user: usize,
    secret: Secret,
    at: UnixTime,
    /// The factor was set up in this very login.
    fresh: bool,
}

/// What a request asked for.
#[derive(Debug, Clone, Copy)]
struct Request {
    client: usize,
    wanted: usize,
    asked: Asked,
    at: UnixTime,
}

struct Tab {
    /// Of all tabs that were ever opened the how manieth.
    serial: usize,
    login: String,
    request: Request,
    /// The page that is shown, and the one before it.
    step: Value,
    before: Value,
    /// Every right secret that was sent to it, and what the browser's session brought along.
    proofs: Vec<Proof>,
}

/// Something that a client holds and may exchange for tokens.
#[derive(Debug, Clone)]
struct Held {
    text: String,
    request: Request,
    proofs: Vec<Proof>,
    spent: bool,
}

#[derive(Default)]
struct Owned {
    app: Option<TotpSecret>,
    key_of: Option<usize>,
    recovery: Vec<String>,
    met_at: Option<UnixTime>,
}

impl Owned {
    fn has_factor(&self) -> bool {
        self.app.is_some() || self.key_of.is_some()
    }
}

struct World<'a> {
    bench: &'a Bench,
    rules: Rules,
    browsers: [Browser<'a>; 2],
    /// What the session of each browser rests on.
    sessions: [Vec<Proof>; 2],
    tabs: BTreeMap<Place, Tab>,
    serial: usize,
    owned: [Owned; 2],
    codes: Vec<Held>,
    refresh_tokens: Vec<Held>,
    accepted: BTreeSet<String>,
    /// What each user ever allowed each client.
    allowed: BTreeSet<(String, usize, String)>,
    seen: &'a mut BTreeSet<String>,
}

type Judged = Result<(), TestCaseError>;

impl<'a> World<'a> {
    fn now(&self) -> UnixTime {
        self.bench.clock.now()
    }

    async fn make(&mut self, step: &Move) -> Judged {
        match *step {
            Move::GoOn { place, user, way } => {
                let next = self.next(place, user, way);
                match next {
                    Some(next) => Box::pin(self.make(&next)).await,
                    None => Ok(()),
                }
            }
            Move::Open { place, client, wanted, asked } => self.open(place, client, wanted, asked).await,
            Move::Password { place, user, right } => {
                let password = if right { format!("{}-password", USERS[user]) } else { "wrong".to_owned() };
                if right && self.step(place)["step"] == "password" {
                    self.meet(user);
                }
                let proven = right.then_some((user, Secret::Password, false));
                let answer = json!({"answer": "password", "login": USERS[user], "password": password});
                self.answer(place, answer, proven.into_iter().collect(), false).await
            }
            Move::Code { place, code, back } => {
                let code = self.text(place, code);
                let proven = self.proven_by(place, &code);
                self.answer(place, json!({"answer": "code", "code": code}), proven, back).await
            }
            Move::Enrol { place, right } => self.enrol(place, right).await,
            Move::Choose { place, way } => match way_of(self.step(place), way) {
                Some(id) => self.answer(place, json!({"answer": "choose", "id": id}), Vec::new(), false).await,
                None => Ok(()),
            },
            Move::Press { place, button } => self.answer(place, json!({"answer": button}), Vec::new(), false).await,
            Move::Consent { place, only } => self.consent(place, only).await,
            Move::Reload { place } => self.reload(place).await,
            Move::FromOtherBrowser { place, user } => self.in_other_browser(place, user).await,
            Move::Redeem { code, as_client } => self.redeem(code, as_client).await,
            Move::Refresh { token, as_client } => self.refresh(token, as_client).await,
            Move::Wait { seconds } => {
                self.bench.clock.advance(Duration::from_secs(seconds));
                Ok(())
            }
            Move::Reset { user } => {
                let authenticators = self.bench.server.mfa().unwrap().authenticators();
                authenticators.reset(&Subject::new(USERS[user])).await.unwrap();
                self.accepted.clear(); // the seed of an app may come again, as another factor
                self.owned[user] = Owned { met_at: self.owned[user].met_at, ..Owned::default() };
                Ok(())
            }
            Move::Import { user } => self.import(user).await,
        }
    }

    /// What a user does with the page that is shown.
    fn next(&self, place: Place, user: usize, way: usize) -> Option<Move> {
        let step = self.step(place);
        Some(match step["step"].as_str()? {
            "password" => Move::Password { place, user, right: true },
            "code" => {
                let code = match step["type"].as_str()? {
                    "key" => Code::Pressed,
                    "totp" => Code::OfApp(self.tabs.get(&place)?.user()?),
                    _ => Code::Recovery(way),
                };
                Move::Code { place, code, back: false }
            }
            "choose" => Move::Choose { place, way },
            "enrol" => Move::Enrol { place, right: true },
            "recovery_codes" => Move::Press { place, button: "recovery_codes" },
            "consent" => Move::Consent { place, only: None },
            _ => return None,
        })
    }

    fn step(&self, place: Place) -> &Value {
        self.tabs.get(&place).map_or(&Value::Null, |tab| &tab.step)
    }

    async fn open(&mut self, place: Place, client: usize, wanted: usize, asked: Asked) -> Judged {
        let query = format!("scope={}{}", WANTED[wanted].replace(' ', "%20"), asked.parameter());
        if let Some(user) = self.sessions[place.0].first().map(|proof| proof.user) {
            self.meet(user);
        }
        let to = self.browsers[place.0].authorize_as(CLIENTS[client].0, &query).await;
        let request = Request { client, wanted, asked, at: self.now() };
        let proofs = self.sessions[place.0].clone();
        if !to.starts_with("/login/") {
            return self.led_back(&to, request, proofs);
        }
        prop_assert!(asked != Asked::Silent, "a silent request shows a page: {to}");
        let step = self.browsers[place.0].step(&to).await;
        self.serial += 1;
        let (serial, before) = (self.serial, step.clone());
        self.tabs.insert(place, Tab { serial, login: to, request, step: Value::Null, before, proofs });
        self.shown(place, step)
    }

    /// A redirect to the client: with a code, or an error.
    fn led_back(&mut self, to: &str, request: Request, proofs: Vec<Proof>) -> Judged {
        prop_assert!(to.starts_with("https://shop.example.com/callback?"), "{to}");
        if to.contains("code=") {
            let silent = request.asked == Asked::Silent;
            self.seen.insert(if silent { "a code in silence" } else { "a code" }.to_owned());
            self.codes.push(Held { text: code_of(to), request, proofs, spent: false });
        } else {
            let error = to.split_once("error=").map_or(to, |(_, error)| error);
            self.seen.insert(error.split('&').next().unwrap_or(error).to_owned());
        }
        Ok(())
    }

    async fn answer(&mut self, place: Place, answer: Value, proven: Vec<(usize, Secret, bool)>, back: bool) -> Judged {
        let (now, session) = (self.now(), self.sessions[place.0].clone());
        let Some(tab) = self.tabs.get_mut(&place) else { return Ok(()) };
        tab.proofs.extend(proven.into_iter().map(|(user, secret, fresh)| Proof { user, secret, at: now, fresh }));
        // Another tab may have brought the session as far as this one must go: then nothing is spent here.
        let session_does = session.iter().any(|proof| proof.secret != Secret::Password);
        tab.adopt(session);
        let page = if back { tab.before.clone() } else { tab.step.clone() };
        let (login, was) = (tab.login.clone(), tab.step.clone());
        let (status, step) = self.browsers[place.0].post(&login, &page, answer.clone()).await;
        if status != StatusCode::OK {
            prop_assert!(status.is_client_error(), "{status}: {step}");
            return Ok(());
        }
        // A code of an app and a recovery code serve once.
        let is_taken = answer["answer"] == "code"
            && was["step"] == "code"
            && (step["step"] == "consent" || step["step"] == "done");
        if is_taken && was["type"] != "key" && !session_does {
            let code = format!("{} {}", was["type"], answer["code"]);
            prop_assert!(self.accepted.insert(code.clone()), "{code} served twice");
        }
        self.shown(place, step)
    }

    async fn enrol(&mut self, place: Place, right: bool) -> Judged {
        let step = self.step(place).clone();
        if step["step"] != "enrol" {
            return Ok(());
        }
        let user = USERS.iter().position(|name| step["account"] == *name).unwrap();
        let secret =
            step["secret"].as_str().map(|text| TotpSecret::from_base32(text, TotpParameters::default()).unwrap());
        let code = match &secret {
            Some(secret) => self.bench.code(secret),
            None => step["question"].as_str().unwrap().to_owned(),
        };
        let what = if secret.is_some() { Secret::Code } else { Secret::Key };
        let code = if right { code } else { "111111".to_owned() };
        let proven = right.then_some((user, what, true)).into_iter().collect();
        self.answer(place, json!({"answer": "enrol", "code": code}), proven, false).await?;
        let Some(tab) = self.tabs.get(&place) else { return Ok(()) };
        let after = &tab.step;
        if right && after["step"] == "recovery_codes" {
            let codes = after["codes"].as_array().into_iter().flatten();
            let owned = &mut self.owned[user];
            owned.recovery = codes.map(|code| code.as_str().unwrap().to_owned()).collect();
            match secret {
                Some(secret) => owned.app = Some(secret),
                None => owned.key_of = Some(tab.serial),
            }
        }
        Ok(())
    }

    async fn consent(&mut self, place: Place, only: Option<usize>) -> Judged {
        let answer = match only {
            None => json!({"answer": "consent"}),
            Some(scope) => json!({"answer": "consent", "allow": ["openid", SCOPES[scope].0]}),
        };
        if let Some(tab) = self.tabs.get(&place).filter(|tab| tab.step["step"] == "consent") {
            let account = tab.step["account"].as_str().unwrap().to_owned();
            let allowed = only.map_or(WANTED[tab.request.wanted], |only| SCOPES[only].0);
            let scopes = allowed.split(' ').map(|scope| (account.clone(), tab.request.client, scope.to_owned()));
            self.allowed.extend(scopes);
        }
        self.answer(place, answer, Vec::new(), false).await
    }

    async fn reload(&mut self, place: Place) -> Judged {
        let session = self.sessions[place.0].clone();
        let Some(tab) = self.tabs.get_mut(&place) else { return Ok(()) };
        tab.adopt(session);
        let login = tab.login.clone();
        let step = self.browsers[place.0].step(&login).await;
        if step["step"].is_null() {
            self.tabs.remove(&place);
            return Ok(());
        }
        self.shown(place, step)
    }

    /// Looks at what a tab shows. Where the login is over, the browser's session rests on it.
    fn shown(&mut self, place: Place, step: Value) -> Judged {
        let Some(tab) = self.tabs.get_mut(&place) else { return Ok(()) };
        let name = step["step"].as_str().unwrap_or_else(|| panic!("{step}")).to_owned();
        tab.before = std::mem::replace(&mut tab.step, step);
        if name == "consent" || name == "done" {
            self.sessions[place.0] = tab.proofs.clone();
        }
        self.seen.insert(format!("step {name}"));
        if name == "done"
            && let Some(tab) = self.tabs.remove(&place)
        {
            let to = tab.step["redirect_to"].as_str().unwrap().to_owned();
            return self.led_back(&to, tab.request, tab.proofs);
        }
        Ok(())
    }

    async fn in_other_browser(&mut self, (browser, tab): Place, user: usize) -> Judged {
        let Some(tab) = self.tabs.get(&(browser, tab)) else { return Ok(()) };
        let (login, step) = (tab.login.clone(), tab.step.clone());
        let password = format!("{}-password", USERS[user]);
        let answer = json!({"answer": "password", "login": USERS[user], "password": password});
        let (status, told) = self.browsers[1 - browser].post(&login, &step, answer).await;
        prop_assert!(status.is_client_error(), "another browser was answered: {told}");
        Ok(())
    }

    /// What a code reads at present, for this tab.
    fn text(&self, place: Place, code: Code) -> String {
        let otherwise = || "111111".to_owned();
        match code {
            Code::OfApp(user) => self.owned[user].app.as_ref().map_or_else(otherwise, |app| self.bench.code(app)),
            Code::Recovery(nth) => {
                let mut all = self.owned.iter().flat_map(|owned| &owned.recovery);
                all.nth(nth).cloned().unwrap_or_else(otherwise)
            }
            Code::Pressed => self.step(place)["text"].as_str().map_or_else(otherwise, str::to_owned),
            Code::Wrong => otherwise(),
        }
    }

    /// What a code could prove at this tab, of whoever it is.
    fn proven_by(&self, place: Place, code: &str) -> Vec<(usize, Secret, bool)> {
        let Some(tab) = self.tabs.get(&place) else { return Vec::new() };
        let mut proven = Vec::new();
        for (user, owned) in self.owned.iter().enumerate() {
            if owned.app.as_ref().is_some_and(|app| self.is_of(app, code))
                || owned.recovery.iter().any(|own| own == code)
            {
                proven.push((user, Secret::Code, false));
            }
            if let Some(of) = owned.key_of.filter(|_| tab.step["type"] == "key" && tab.step["text"] == code) {
                proven.push((user, Secret::Key, of == tab.serial));
            }
        }
        proven
    }

    /// Whether an app shows this code now, or a little before or after.
    fn is_of(&self, app: &TotpSecret, code: &str) -> bool {
        let begin = self.now().minus(Duration::from_secs(60));
        (0..5).any(|step| app.code_at(begin.plus(Duration::from_secs(30 * step))).expose() == code)
    }

    /// When a policy with a time of grace met a user without a factor.
    fn meet(&mut self, user: usize) {
        let now = self.now();
        if self.rules.grace && !self.owned[user].has_factor() {
            self.owned[user].met_at.get_or_insert(now);
        }
    }

    async fn import(&mut self, user: usize) -> Judged {
        if self.owned[user].app.is_none() {
            let authenticators = self.bench.server.mfa().unwrap().authenticators();
            authenticators.import_totp(&Subject::new(USERS[user]), SEEDS[user]).await.unwrap();
            self.owned[user].app = Some(TotpSecret::from_base32(SEEDS[user], TotpParameters::default()).unwrap());
        }
        Ok(())
    }

    async fn redeem(&mut self, nth: usize, as_client: Option<usize>) -> Judged {
        // The newest are looked at most: older ones are long past.
        let Some(at) = self.codes.len().checked_sub(nth + 1) else { return Ok(()) };
        let held = self.codes[at].clone();
        let client = as_client.unwrap_or(held.request.client);
        let (status, tokens) = self.browsers[0].redeem_as(CLIENTS[client].0, &held.text).await;
        if !status.is_success() {
            prop_assert_eq!(&tokens["error"], "invalid_grant");
            self.seen.insert(if held.spent { "a code that was spent" } else { "a code that is refused" }.to_owned());
            return Ok(());
        }
        prop_assert!(!std::mem::replace(&mut self.codes[at].spent, true), "a code served twice");
        prop_assert_eq!(client, held.request.client, "a client that the code is not for");
        let since = held.request.at;
        self.judge(&held, &tokens, since, true)
    }

    async fn refresh(&mut self, nth: usize, as_client: Option<usize>) -> Judged {
        let Some(at) = self.refresh_tokens.len().checked_sub(nth + 1) else { return Ok(()) };
        let held = self.refresh_tokens[at].clone();
        let client = as_client.unwrap_or(held.request.client);
        let (status, tokens) = self.browsers[0].refresh_as(CLIENTS[client].0, &held.text).await;
        if !status.is_success() {
            prop_assert_eq!(&tokens["error"], "invalid_grant");
            self.seen.insert("a refresh that is refused".to_owned());
            return Ok(());
        }
        prop_assert_eq!(client, held.request.client, "a client that the refresh token is not for");
        self.seen.insert("a refresh".to_owned());
        self.judge(&held, &tokens, self.now(), false)
    }

    /// What was issued, held against what was proven and what is required.
    fn judge(&mut self, held: &Held, tokens: &Value, since: UnixTime, by_code: bool) -> Judged {
        let told = claims(&tokens["access_token"]);
        let user = USERS.iter().position(|name| told["sub"] == *name).unwrap();
        let own: Vec<_> = held.proofs.iter().filter(|proof| proof.user == user).collect();
        let has = |secret: Secret| own.iter().any(|proof| proof.secret == secret);
        let key = own.iter().any(|proof| proof.secret == Secret::Key && !proof.fresh);
        let second = has(Secret::Code) || has(Secret::Key);
        let reached = if !has(Secret::Password) {
            0
        } else if !second {
            1
        } else if key {
            3
        } else {
            2
        };
        let stated = rank(&told["acr"]);
        prop_assert!((1..=reached).contains(&stated), "{told} of {own:?}");
        prop_assert!(self.rules.hook != Hook::DeniesBob || user != 1, "a hook denied {told}");
        for amr in told["amr"].as_array().into_iter().flatten() {
            let happened = match amr.as_str() {
                Some("pwd") => has(Secret::Password),
                Some("otp") => has(Secret::Code),
                Some("hwk") => has(Secret::Key),
                Some("mfa") => second,
                _ => false,
            };
            prop_assert!(happened, "{amr} of {own:?}");
        }
        let auth_time = UnixTime::from_secs(told["auth_time"].as_u64().unwrap());
        prop_assert!(own.iter().any(|proof| proof.at.as_secs() == auth_time.as_secs()), "{told}: {own:?}");
        let newer = |secret: Secret| own.iter().any(|proof| proof.secret == secret && proof.at >= auth_time);
        prop_assert!(newer(Secret::Password), "{told}: {own:?}");
        prop_assert!(stated == 1 || newer(Secret::Code) || newer(Secret::Key), "{told}: {own:?}");
        for (need, max_age) in self.required(held, tokens, user, by_code)? {
            prop_assert!(stated >= need, "{need} is required of {told} by {:?}", held.request);
            let young = max_age.is_none_or(|age| since.as_secs().saturating_sub(auth_time.as_secs()) <= age);
            prop_assert!(young, "{told} is too old at {since:?} for {:?}", held.request);
        }
        if by_code && held.request.asked == Asked::Login {
            let anew = own.iter().any(|proof| proof.secret == Secret::Password && proof.at >= held.request.at);
            prop_assert!(anew, "nobody signed in again for {:?}", held.request);
        }
        if by_code {
            let for_vault = told["aud"].as_str() == Some(VAULT)
                || told["aud"].as_array().is_some_and(|aud| aud.contains(&json!(VAULT)));
            prop_assert_eq!(for_vault, held.request.asked == Asked::Vault, "{}", told);
        }
        let what = if by_code && held.request.asked == Asked::Vault { "tokens for the vault" } else { "tokens" };
        self.seen.insert(format!("{what} of rank {stated}"));
        if let Some(token) = tokens["refresh_token"].as_str() {
            self.refresh_tokens.push(Held { text: token.to_owned(), ..held.clone() });
        }
        Ok(())
    }

    /// All that is required of what was issued, reckoned anew: rank, and age.
    fn required(
        &self,
        held: &Held,
        tokens: &Value,
        user: usize,
        by_code: bool,
    ) -> Result<Vec<(u8, Option<u64>)>, TestCaseError> {
        let (rules, owned, request) = (&self.rules, &self.owned[user], held.request);
        let mut all = vec![(CLIENTS[request.client].1, None)];
        for scope in tokens["scope"].as_str().into_iter().flat_map(|scope| scope.split(' ')) {
            prop_assert!(WANTED[request.wanted].split(' ').any(|wanted| wanted == scope), "{scope} was not asked for");
            if let Some((name, rank, age)) = SCOPES.into_iter().find(|(name, ..)| *name == scope) {
                let allowed = (USERS[user].to_owned(), request.client, name.to_owned());
                prop_assert!(self.allowed.contains(&allowed), "{scope} was not allowed");
                all.push((rank, age));
            }
        }
        match request.asked {
            // A claims request is OpenID Connect's (Core §5.5).
            Asked::Essential(rank) if WANTED[request.wanted].contains("openid") => all.push((rank, None)),
            Asked::Vault => all.push((3, None)),
            Asked::MaxAge if by_code => all.push((1, Some(300))),
            _ => {}
        }
        all.push((if user == 0 { rules.alices } else { rules.bob }, None));
        if rules.hook == Hook::RequiresMore {
            all.push((2, None));
        }
        let lacks = rules.grace && !owned.has_factor();
        let over = owned.met_at.is_some_and(|met_at| self.now() >= met_at.plus(GRACE));
        if rules.always && !lacks || lacks && over {
            all.push((2, None));
        }
        Ok(all)
    }
}

impl Tab {
    /// Whose password was the last to be sent here.
    fn user(&self) -> Option<usize> {
        self.proofs.iter().rfind(|proof| proof.secret == Secret::Password).map(|proof| proof.user)
    }

    fn adopt(&mut self, session: Vec<Proof>) {
        for proof in session {
            if !self.proofs.contains(&proof) {
                self.proofs.push(proof);
            }
        }
    }
}

fn way_of(step: &Value, nth: usize) -> Option<Value> {
    let ways = step["authenticators"].as_array().or(step["or"].as_array())?;
    ways.get(nth % ways.len().max(1)).map(|way| way["id"].clone())
}

pub(super) async fn walk(rules: Rules, moves: Vec<Move>, seen: &mut BTreeSet<String>) -> Judged {
    let (policy, hook) = (rules.policy(), rules.hook);
    let bench = Bench::on(ISSUER, MemoryStore::new(), |builder| {
        let mut builder = builder.factor(SecurityKey).policy(policy).login_hook(hook).limits(Limits::off());
        for (name, rank, max_age) in SCOPES {
            let requirement = class(rank);
            let requirement = max_age.map_or(requirement.clone(), |age| requirement.max_age(Duration::from_secs(age)));
            builder = builder.scope(Scope::new(name, name).requires(requirement));
        }
        builder = builder.resource(Resource::new(VAULT).requires(class(3)));
        for (name, rank) in CLIENTS {
            let client = Client::public(name).redirect_uri("https://shop.example.com/callback");
            builder =
                builder.client(client.scope("openid offline_access plain twofold fresh key").requires(class(rank)));
        }
        builder
    })
    .await;
    let hasher = PasswordHasher::new(std::sync::Arc::new(TokioPool::default())).cost(CHEAP).unwrap();
    for (name, group) in [("alice", "alices"), ("bob", "others")] {
        let hash = hasher.hash(&format!("{name}-password").into()).await.unwrap();
        let account = Account::new(name).username(name).password_hash(hash).group(group);
        bench.server.stored_accounts().unwrap().import([account], Existing::Keep).await.unwrap();
    }
    let mut world = World {
        bench: &bench,
        rules,
        browsers: [bench.browser(), bench.browser()],
        sessions: Default::default(),
        tabs: BTreeMap::new(),
        serial: 0,
        owned: Default::default(),
        codes: Vec::new(),
        refresh_tokens: Vec::new(),
        accepted: BTreeSet::new(),
        allowed: BTreeSet::new(),
        seen,
    };
    for step in &moves {
        world.make(step).await?;
    }
    Ok(())
}
