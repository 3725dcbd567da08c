//! The grants of the API at the token endpoint: a file a grant.

mod oob;
mod otp;
mod passkey;
mod password;
mod recovery_code;

use countersign_oauth_core::{GrantRequest, Issue, Refusal};

pub(super) use oob::OobGrant;
pub(super) use otp::OtpGrant;
pub(super) use passkey::PasskeyGrant;
pub(super) use password::PasswordGrant;
pub(super) use recovery_code::RecoveryCodeGrant;

use super::refusals::{self, Shown};
use super::transaction::{self, Open};
use super::{ENROLL, READ, REMOVE, bearer, required};
use crate::login::direct::Stand;
use crate::login::record::Login as Record;
use crate::oauth::Login;
use crate::{Answer, Step};

/// What the `mfa_token` of a token request stands for.
enum Subject {
    /// A login that waits for its second factor.
    Login(Box<Open>),
    /// An authenticator that somebody who has signed in is setting up.
    Adding(Box<countersign_oauth_core::Access>, crate::Caller),
}

impl Subject {
    async fn of(login: &Login, request: &GrantRequest<'_>) -> Result<Self, Refusal> {
        let token = request.param("mfa_token").map_err(|_| refusals::member("mfa_token is missing"))?;
        if transaction::is_token(token) {
            let open = Open::by_token(login, request.server(), request.parts(), token).await?;
            let open = open.of_client(request.client())?;
            if let Some(grant) = open.transaction.grant
                && !request.stands(grant).await?
            {
                return Err(refusals::expired_token());
            }
            return Ok(Self::Login(Box::new(open)));
        }
        let access = bearer::access(request.server(), token, ENROLL).await.map_err(bearer::as_mfa_token)?;
        if access.client.id() != request.client().id() {
            return Err(refusals::malformed_token());
        }
        Ok(Self::Adding(Box::new(access), transaction::caller(request.client(), request.parts())))
    }

    fn id(&self, request: &GrantRequest<'_>) -> crate::LoginId {
        match self {
            Self::Login(open) => open.id,
            Self::Adding(access, _) => bearer::enrolment(request.server(), access),
        }
    }

    fn caller(&self) -> &crate::Caller {
        match self {
            Self::Login(open) => &open.caller,
            Self::Adding(_, caller) => caller,
        }
    }

    /// Where the login stands at the moment.
    async fn record(&self, login: &Login, request: &GrantRequest<'_>) -> Result<Record, Refusal> {
        match self {
            Self::Login(open) => Ok(open.record.clone()),
            Self::Adding(..) => {
                let record = login.mfa.login_named(self.id(request)).await.map_err(refusals::failed)?;
                record.ok_or_else(|| refusals::member("nothing is being set up with this token"))
            }
        }
    }

    /// Answers what is asked, or being set up, at the moment; and makes tokens of it where nothing more is.
    async fn answer(
        &self,
        login: &Login,
        request: &GrantRequest<'_>,
        (challenge, answer): (Option<countersign_primitives::Id>, &Answer),
        shown: Shown,
    ) -> Result<Issue, Refusal> {
        let stand = login.mfa.reply(self.id(request), (challenge, answer), self.caller()).await;
        let stand = stand.map_err(refusals::failed)?.ok_or_else(|| refusals::wrong(shown))?;
        self.conclude(request, stand, shown)
    }

    /// What comes of a call.
    fn conclude(&self, request: &GrantRequest<'_>, stand: Stand, shown: Shown) -> Result<Issue, Refusal> {
        if let Some(refusal) = refusals::told(&stand.step, shown) {
            return Err(refusal);
        }
        let Step::Done(done) = &stand.step else { return Err(self.goes_on(request, &stand.step)) };
        let epoch = stand.login.as_ref().map_or(0, |login| login.epoch);
        let ends = request.now().plus(Record::LIFETIME);
        let issue = Issue::to(done.signed_in.clone()).under_epoch(epoch);
        Ok(match self {
            Self::Login(open) => {
                let transaction = &open.transaction;
                let issue = issue.of(transaction.scope.clone(), transaction.resources.clone());
                let issue = issue.once(format!("login {}", open.id), ends);
                let issue = if transaction.refreshable { issue.refreshable() } else { issue };
                match (shown, stand.codes.first()) {
                    (Shown::RecoveryCode, Some(code)) => issue.member("recovery_code", code.expose()),
                    _ => issue,
                }
            }
            // Nobody has signed in: what the token was for may go on, for as long as it would have.
            Self::Adding(access, _) => {
                let scope = access.scope.filtered(|token| [ENROLL, READ, REMOVE].contains(&token));
                let added = stand.login.and_then(|login| login.added).unwrap_or(self.id(request).0);
                let audience = super::MfaApi::audience(request.server().config().issuer());
                let issue = issue.of(scope, vec![audience]).by_login().ends(access.expires_at);
                issue.once(format!("enrolment {added}"), ends)
            }
        })
    }

    /// The login is not done, and nothing was wrong.
    fn goes_on(&self, request: &GrantRequest<'_>, step: &Step) -> Refusal {
        match (step, self) {
            (Step::Refused(refused), _) => required::out_of_reach(refused.reason),
            (Step::Wait(_) | Step::Enrol(_), _) => refusals::pending(),
            (Step::Choose(_), Self::Login(open)) => {
                // What named the login so far goes on naming it.
                let named = request.optional_param("mfa_token").or_else(|| request.optional_param("auth_session"));
                let token = named.unwrap_or_default();
                required::refusal(token, step, &open.client)
            }
            _ => refusals::expired_token(),
        }
    }
}

/// A parameter of this grant: there, and short enough to be looked at.
fn short<'a>(request: &'a GrantRequest<'_>, name: &str, missing: &'static str) -> Result<&'a str, Refusal> {
    let value = request.optional_param(name).ok_or_else(|| refusals::member(missing))?;
    if value.len() <= 256 { Ok(value) } else { Err(refusals::member("a parameter is too long")) }
}

/// Takes a code for one of these methods: of what is being set up, else of what is or may be asked.
async fn by_code(
    login: &Login,
    request: &GrantRequest<'_>,
    (code, methods): (&str, &[&str]),
    shown: Shown,
) -> Result<Issue, Refusal> {
    let subject = Subject::of(login, request).await?;
    let record = subject.record(login, request).await?;
    let (id, caller) = (subject.id(request), subject.caller());
    if let Some(enrolling) = &record.enrolling {
        if !methods.contains(&enrolling.method.as_str()) {
            return Err(refusals::wrong(shown));
        }
        let answer = Answer::Enrol { code: code.into() };
        return subject.answer(login, request, (Some(enrolling.challenge.id), &answer), shown).await;
    }
    let answer = Answer::Code { code: code.into(), remember: false };
    if record.done_at.is_some() {
        return subject.answer(login, request, (None, &answer), shown).await;
    }
    // Whoever has several devices need not say of which the code is. Each look is a guess, and counted.
    let askable = login.mfa.askable(id, caller).await.map_err(refusals::failed)?;
    let mut refusal = if askable.enrols { refusals::association_required() } else { refusals::wrong(shown) };
    for one in askable.ids.iter().filter(|one| methods.contains(&one.method())) {
        let (_, asked) = login.mfa.challenge(id, one, caller).await.map_err(refusals::failed)?;
        let challenge = asked.map(|asked| asked.challenge.id);
        refusal = match subject.answer(login, request, (challenge, &answer), shown).await {
            Err(refusal) if refusal.cause_id() == refusals::wrong(shown).cause_id() => refusal,
            concluded => return concluded,
        };
    }
    Err(refusal)
}
