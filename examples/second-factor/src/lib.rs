//! A second factor for a host that has its own users, passwords and sessions. There is no OAuth here: what signs in is the
//! application's own session, and [`Mfa`] stands between the password and that.
//!
//! ```text
//! POST /login           the host checks the password          users.rs
//!   -> Mfa::start       what is still missing?                 second_factor.rs
//! GET /second-factor    shows the step
//! POST /second-factor   Mfa::answer, until Step::Done
//!   -> the session's id changes, and holds who signed in
//!   -> a cookie of its own keeps what the browser is known by     marks.rs
//! GET /                 the application                        here
//! ```
//!
//! On the day that OAuth is wanted, what the session holds is what `Server::authorize` takes.

mod marks;
mod page;
mod second_factor;
mod users;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use countersign::mfa::{Begun, Caller, FirstEnrolment, Mfa, MfaConfigError, Policy, Totp};
use countersign::pages::Pages;
use countersign::store::MemoryStore;
use countersign::{Amr, BoxError, Clock, Id, MasterKey, Random, SecretString, SignedIn, SystemClock, SystemRandom};
use serde::Deserialize;
use tower_sessions::{Expiry, MemoryStore as Sessions, Session, SessionManagerLayer};

pub use users::Users;

/// What the session holds.
pub(crate) mod held {
    /// The login under way.
    pub(crate) const LOGIN: &str = "login";
    /// What this browser is called, and what its forms repeat.
    pub(crate) const BROWSER: &str = "browser";
    /// Who has signed in.
    pub(crate) const SIGNED_IN: &str = "signed_in";
}

/// The application: its own users, and the engine of the second factor. A cheap clone.
#[derive(Clone, Debug)]
pub struct App {
    users: Arc<Users>,
    mfa: Mfa,
    pages: Arc<Pages>,
    clock: Arc<dyn Clock>,
}

impl App {
    /// The application with these users. What it keeps of their factors is in memory; a real one opens a `SqlStore`, and loads the
    /// key with `MasterKey::load_or_create`.
    ///
    /// # Errors
    /// When the engine cannot be built.
    pub async fn new(users: Users, clock: impl Clock + Clone + 'static) -> Result<Self, MfaConfigError> {
        let key = MasterKey::from_bytes([7; 32]);
        let mfa = Mfa::builder(MemoryStore::new(), &key)
            .realm("http://localhost:4010")
            .factor(Totp::new("Notes"))
            .policy(Policy::always().first_enrolment(FirstEnrolment::ThisLogin).remember_device(Policy::REMEMBERED))
            .clock(Arc::new(clock.clone()))
            .build()
            .await?;
        Ok(Self { users: Arc::new(users), mfa, pages: Arc::new(Pages::new("Notes")), clock: Arc::new(clock) })
    }

    /// The same by the system's clock, with the user `alice` whose password is `alice-password`.
    ///
    /// # Errors
    /// When the engine cannot be built.
    pub async fn demo() -> Result<Self, BoxError> {
        Ok(Self::new(Users::new([("alice", "alice-password")])?, SystemClock).await?)
    }

    /// Its routes. To be served with connect info: guesses are counted by address too.
    pub fn router(self) -> Router {
        // Plain HTTP on loopback; behind HTTPS leave `with_secure(false)` out.
        let sessions = SessionManagerLayer::new(Sessions::default())
            .with_secure(false)
            .with_same_site(tower_sessions::cookie::SameSite::Lax)
            .with_expiry(Expiry::OnSessionEnd);
        Router::new()
            .route("/", get(home))
            .route("/login", get(async || page::login("")).post(password))
            .route("/second-factor", get(second_factor::show).post(second_factor::answer))
            .route("/logout", post(log_out))
            .layer(sessions)
            .with_state(self)
    }
}

/// The application itself: for those alone who proved both factors.
async fn home(session: Session) -> Result<Response, Failed> {
    let Some(who) = session.get::<SignedIn>(held::SIGNED_IN).await? else {
        return Ok(Redirect::to("/login").into_response());
    };
    let csrf = session.get::<Id>(held::BROWSER).await?.map(|browser| browser.to_string()).unwrap_or_default();
    Ok(page::home(&who, &csrf).into_response())
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// Checks the password, and asks the engine what else is missing. Nobody is signed in yet.
async fn password(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    session: Session,
    Form(form): Form<Credentials>,
) -> Result<Response, Failed> {
    let users = Arc::clone(&app.users);
    let (name, password) = (form.username, SecretString::new(form.password));
    let found = tokio::task::spawn_blocking(move || users.check(&name, &password)).await?;
    let Some(subject) = found else {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page::login("<p role=\"alert\">Wrong name or password.</p>\n"))
            .into_response());
    };
    let who = SignedIn::new(subject, app.clock.now()).amr([Amr::Pwd]);
    // A browser that comes with a session of somebody else's making must not go on with it.
    session.flush().await?;
    let caller = caller(&session, peer, &headers).await?;
    let Begun { id, .. } = app.mfa.start(who, &caller).await?;
    session.insert(held::LOGIN, id).await?;
    Ok(Redirect::to("/second-factor").into_response())
}

async fn log_out(session: Session, Form(form): Form<Vec<(String, String)>>) -> Result<Response, Failed> {
    let browser = session.get::<Id>(held::BROWSER).await?.map(|browser| browser.to_string());
    if browser.is_some_and(|browser| form.iter().any(|(name, value)| name == "csrf" && *value == browser)) {
        session.flush().await?;
    }
    Ok(Redirect::to("/login").into_response())
}

/// Who calls: the browser of this session, from this address, and whether it was here before.
pub(crate) async fn caller(session: &Session, peer: SocketAddr, headers: &HeaderMap) -> Result<Caller, Failed> {
    let random: &dyn Random = &SystemRandom;
    let browser = match session.get::<Id>(held::BROWSER).await? {
        Some(browser) => browser,
        None => {
            let browser = random.id()?;
            session.insert(held::BROWSER, browser).await?;
            browser
        }
    };
    Ok(Caller::new(browser).address(peer.ip()).marks(marks::of(headers)))
}

/// Something is out of order. The user is told no more than that; a host logs the rest.
#[derive(Debug)]
pub struct Failed(BoxError);

impl<E: Into<BoxError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        eprintln!("{}", self.0);
        (StatusCode::INTERNAL_SERVER_ERROR, Html("<p role=\"alert\">Try again in a moment.</p>")).into_response()
    }
}
