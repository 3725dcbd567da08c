//! `http://auth0.com/oauth/grant-type/mfa-oob`: a code that was sent, or whether a device that was asked has answered.

use std::time::Duration;

use async_trait::async_trait;
use countersign_oauth_core::{Grant, GrantRequest, Issue, Refusal};

use super::{Subject, short};
use crate::Answer;
use crate::oauth::Login;
use crate::oauth::api::refusals::{self, Shown};
use crate::oauth::api::{MfaApi, code};

/// How often it may be asked whether a device has registered.
const POLL: Duration = Duration::from_secs(2);

pub(in super::super) struct OobGrant(pub(in super::super) Login);

#[async_trait]
impl Grant for OobGrant {
    fn grant_type(&self) -> &str {
        MfaApi::OOB
    }

    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        let oob_code = short(request, "oob_code", "oob_code is missing")?;
        let subject = Subject::of(&self.0, request).await?;
        let named = code::read(&self.0.mfa.0.keys, subject.id(request), oob_code);
        let named = named.ok_or_else(|| refusals::wrong(Shown::Binding))?;
        let binding_code = request.optional_param("binding_code");
        if binding_code.is_some_and(|code| code.len() > 256) {
            return Err(refusals::member("a parameter is too long"));
        }
        let record = subject.record(&self.0, request).await?;
        let answer = match binding_code {
            Some(code) if record.enrolling.is_some() => Answer::Enrol { code: code.into() },
            Some(code) => Answer::Code { code: code.into(), remember: false },
            None => {
                let challenge = record.challenge().filter(|challenge| challenge.id == named);
                if challenge.is_some_and(|challenge| challenge.channel.is_some()) {
                    return Err(refusals::member("binding_code is missing"));
                }
                let every = challenge.and_then(|challenge| challenge.prompt.wait.as_ref());
                let every = every.map_or(POLL, |wait| Duration::from_secs(wait.every));
                if self.0.mfa.polls_too_fast(named, every).await.map_err(refusals::failed)? {
                    return Err(refusals::slow_down());
                }
                Answer::Poll
            }
        };
        subject.answer(&self.0, request, (Some(named), &answer), Shown::Binding).await
    }
}
