//! Invitations to set up a first factor: `quickstart invite NAME`, and `POST /admin/users/NAME/invite`.

use std::io::{self, Write as _};
use std::time::Duration;

use countersign::mfa::{AuthenticatorsError, Shown};
use countersign::{Accounts as _, BoxError, Server, Subject};

use crate::assembly::Assembled;
use crate::cli::{Cli, InviteArgs};
use crate::settings::Settings;
use crate::{StartError, running};

/// How long an invitation lasts where nothing is said.
const LASTS: Duration = Duration::from_secs(7 * 86_400);
/// The longest that one may last.
const LONGEST: Duration = Duration::from_secs(90 * 86_400);
/// How long its mail may take.
const MAIL: Duration = Duration::from_secs(60);

/// Nobody was invited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// Invitations open nothing under the rules of the file.
    #[error(
        "users need no invitation here: write first_enrolment = \"invitation\" in the file's [mfa], or do not invite"
    )]
    NotNeeded,
    /// That is no time that an invitation lasts.
    #[error("an invitation lasts for 90 days at most: write 12h or 7d")]
    Lasts,
    /// Nobody is called so.
    #[error("there is no such user")]
    NoSuchUser,
    /// The user needs none.
    #[error("the user has a factor already, and sets up others with it")]
    HasFactor,
    /// There is no address to mail it to.
    #[error("the user has no verified mail address: invite without a mail, and hand the code over")]
    NoAddress,
    /// The mail was not taken.
    #[error("the invitation was made, and its mail was not taken: invite again")]
    NotSent(#[source] BoxError),
    /// The accounts or the store failed.
    #[error("the user cannot be invited now")]
    Failed(#[source] BoxError),
    /// What was done cannot be told: nobody reads the output.
    #[error("the invitation was made, and it cannot be told: {0}")]
    Tell(io::Error),
}

impl InviteError {
    pub(crate) fn is_a_setting(&self) -> bool {
        matches!(self, Self::NotNeeded | Self::Lasts)
    }
}

/// An invitation that was issued.
pub(crate) struct Invited {
    pub(crate) user: Subject,
    /// To be handed over; nothing where it was mailed.
    pub(crate) code: Option<Shown>,
    pub(crate) lasts: Duration,
}

/// Invites the user of this name.
///
/// # Errors
/// [`InviteError`] says what to do.
pub(crate) async fn issue(
    server: &Server,
    name: &str,
    lasts: Option<&str>,
    by_mail: bool,
) -> Result<Invited, InviteError> {
    let lasts = match lasts {
        Some(text) => humantime::parse_duration(text).map_err(|_| InviteError::Lasts)?,
        None => LASTS,
    };
    if lasts.is_zero() || lasts > LONGEST {
        return Err(InviteError::Lasts);
    }
    let (Some(accounts), Some(mfa)) = (server.stored_accounts(), server.mfa()) else {
        return Err(InviteError::NoSuchUser);
    };
    let account = accounts.by_login(name).await.map_err(InviteError::Failed)?.ok_or(InviteError::NoSuchUser)?;
    let (user, authenticators) = (account.subject().clone(), mfa.authenticators());
    let code = if by_mail {
        authenticators.invite_by_mail(&user, lasts).await.map(|()| None)
    } else {
        authenticators.invite(&user, lasts).await.map(Some)
    };
    let code = code.map_err(|error| match error {
        AuthenticatorsError::HasFactor => InviteError::HasFactor,
        AuthenticatorsError::NoAddress => InviteError::NoAddress,
        AuthenticatorsError::NotSent(source) => InviteError::NotSent(source),
        other => InviteError::Failed(other.into()),
    })?;
    Ok(Invited { user, code, lasts })
}

/// Invites a user, and prints the code unless it is mailed.
///
/// # Errors
/// [`StartError`] says what is wrong.
pub async fn invite(cli: &Cli, args: &InviteArgs) -> Result<(), StartError> {
    let settings = Settings::from_cli(cli)?;
    if !settings.invites() {
        return Err(InviteError::NotNeeded.into());
    }
    let (Assembled { server, carriers, .. }, store) = running::at_rest(settings).await?;
    let invited = issue(&server, &args.name, args.lasts.as_deref(), args.mail).await;
    carriers.drain(MAIL).await;
    store.close().await;
    let invited = invited?;
    let lasts = humantime::format_duration(invited.lasts);
    let line = match &invited.code {
        Some(code) => format!("invitation for {} within {lasts}: {}", args.name, code.expose()),
        None => format!("the invitation for {} within {lasts} was mailed", args.name),
    };
    writeln!(io::stdout(), "{line}").map_err(|error| InviteError::Tell(error).into())
}
