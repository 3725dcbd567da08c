//! Starting, serving, and ending in good order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use countersign::oauth::answer::escape;
use countersign::{Clock, SecretString, Server};
use http::{HeaderMap, StatusCode, header};
use rustls::pki_types::UnixTime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::admin::{RecentEvents, Watched};
use crate::assembly::{Assembled, Parts};
use crate::delivery::Carriers;
use crate::demo::{self, Provider as _};
use crate::device::Phone;
use crate::listen::Bound;
use crate::outbox::Outbox;
use crate::serve::{self, Patience, Site};
use crate::settings::{Listen, Settings, SettingsError};
use crate::stores::Opened;
use crate::tls::{Tls, TlsError};
use crate::{StartError, admin, assembly, console, data, device, listen, users};

/// How long requests under way may take when it ends, and then messages.
const DRAIN: Duration = Duration::from_secs(10);

/// A quickstart that serves.
#[derive(Debug)]
pub struct Running {
    server: Server,
    store: Opened,
    data: PathBuf,
    outbox: PathBuf,
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
    carriers: Carriers,
    /// What goes on beside the requests; it ends with this value.
    upkeep: JoinSet<()>,
}

/// Starts the server, and returns when it serves.
///
/// # Errors
/// [`StartError`] says whether a setting is wrong or something is in the way.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    launch(settings, None).await
}

/// As [`start`], with another clock: a test holds it still and moves it.
///
/// # Errors
/// As [`start`].
pub async fn start_with_clock(settings: Settings, clock: impl Clock + 'static) -> Result<Running, StartError> {
    launch(settings, Some(Arc::new(clock))).await
}

async fn launch(settings: Settings, clock: Option<Arc<dyn Clock>>) -> Result<Running, StartError> {
    // Bound first: with port 0 the issuer is known only then, and a port in use spoils nothing.
    let bound = listen::bind(settings.listen).await?;
    let issuer = settings.issuer.clone().unwrap_or_else(|| default_issuer(&settings, bound.port));
    let origin = origin_of(&issuer).to_owned();
    let tls = match &settings.tls {
        Some(choice) => Some(Tls::load(choice, &settings.data, &issuer, UnixTime::now())?),
        None => None,
    };
    data::make_folders(&settings)?;
    let key = data::master_key(&settings)?;
    let opened = Opened::open(&settings.store, settings.durable).await?;
    let watched = Watched { events: RecentEvents::new(SystemTime::now()), metrics: Arc::default() };
    let outbox = Outbox::new(&settings.outbox);
    let phone = Phone::open(&settings.data, outbox.clone())?;
    let parts = Parts {
        store: Arc::clone(&opened.store),
        key,
        clock,
        watched: watched.clone(),
        outbox: outbox.clone(),
        phone: phone.clone(),
    };
    let Assembled { server, offers, carriers } = assembly::assemble(&settings, &issuer, &origin, parts).await?;
    users::import(&server, &settings).await?;
    let users = settings.users.iter().map(|user| user.name.clone()).collect();
    let provider: Arc<dyn demo::Provider> = Arc::new(server.clone());
    let own =
        demo::routes(Arc::clone(&provider), offers, users, settings.admin_group().is_some()).merge(outbox.routes());
    let own = own.merge(device::routes(phone, provider)).merge(carriers.routes());
    let own = if settings.admin_group().is_some() { own.merge(console::routes(server.clone())) } else { own };
    let app = own.layer(middleware::from_fn_with_state(server.clone(), only_our_host));
    let app = app.merge(countersign::axum::router(&server));
    let app = match &settings.admin_token {
        Some(token) => {
            app.merge(admin::routes(server.clone(), watched, settings.invites(), SecretString::new(token.expose())))
        }
        None => app,
    };
    let app = app.layer(middleware::from_fn(serve::in_time));
    Ok(serve(bound, &app, tls, (server, opened, carriers), settings)?)
}

/// The server that these settings describe, without its sockets, its demo users and its due work, and its store: for commands on its
/// records.
///
/// # Errors
/// As [`start`].
pub(crate) async fn at_rest(settings: Settings) -> Result<(Assembled, Opened), StartError> {
    let port = match settings.listen {
        Listen::Localhost(port) => port,
        Listen::Address(address) => address.port(),
    };
    let issuer = match &settings.issuer {
        Some(issuer) => issuer.clone(),
        None if port == 0 => return Err(SettingsError::IssuerNeeded.into()),
        None => default_issuer(&settings, port),
    };
    data::make_folders(&settings)?;
    let key = data::master_key(&settings)?;
    let watched = Watched { events: RecentEvents::new(SystemTime::now()), metrics: Arc::default() };
    let origin = origin_of(&issuer).to_owned();
    let outbox = Outbox::new(&settings.outbox);
    let phone = Phone::open(&settings.data, outbox.clone())?;
    let opened = Opened::open(&settings.store, settings.durable).await?;
    let store = Arc::clone(&opened.store);
    let parts = Parts { store, key, clock: None, watched, outbox, phone };
    Ok((assembly::assemble(&settings, &issuer, &origin, parts).await?, opened))
}

fn serve(
    bound: Bound,
    app: &Router,
    tls: Option<Tls>,
    (server, store, carriers): (Server, Opened, Carriers),
    settings: Settings,
) -> Result<Running, TlsError> {
    let (stop, stopped) = watch::channel(false);
    let acceptor = tls.as_ref().map(Tls::config).transpose()?.map(|config| TlsAcceptor::from(Arc::new(config)));
    let site = Site { app: app.clone(), tls: acceptor, stopped, patience: Patience::default() };
    let mut serving = JoinSet::new();
    for listener in bound.listeners {
        if let Ok(at) = listener.local_addr() {
            tracing::info!(%at, "listening");
        }
        serving.spawn(serve::serve(listener, site.clone()));
    }
    let mut upkeep = JoinSet::new();
    upkeep.spawn(countersign::maintenance(&server));
    if let Some(tls) = tls {
        upkeep.spawn(tls.renewals());
    }
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let (data, outbox) = (absolute(settings.data), absolute(settings.outbox));
    Ok(Running { server, store, data, outbox, stop, serving, carriers, upkeep })
}

impl Running {
    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.server.issuer()
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The outbox folder.
    #[must_use]
    pub fn outbox(&self) -> &std::path::Path {
        &self.outbox
    }

    /// The server itself.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Takes no more connections, lets requests under way come to their end, leaves the store in order, and returns: a copy of
    /// `store.db` alone then has everything.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let drained = async { while self.serving.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some requests took too long and were cut off");
        }
        self.carriers.drain(DRAIN).await;
        self.upkeep.shutdown().await;
        self.store.close().await;
    }
}

fn default_issuer(settings: &Settings, port: u16) -> String {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    match settings.listen {
        Listen::Localhost(_) => format!("{scheme}://localhost:{port}"),
        Listen::Address(mut address) => {
            address.set_port(port);
            format!("{scheme}://{address}")
        }
    }
}

/// Scheme, host and port. Whether the issuer is well formed is the server's to say.
fn origin_of(issuer: &str) -> &str {
    let authority = issuer.find("://").map_or(0, |at| at + 3);
    let path = issuer[authority..].find('/').map_or(issuer.len(), |at| authority + at);
    &issuer[..path]
}

/// The demo's pages answer to the issuer's host alone, as the server does: another name in the address bar may be a stranger's
/// who points it at this machine.
async fn only_our_host(State(server): State<Server>, request: Request, next: Next) -> Response {
    if is_our_host(&server, request.headers()) {
        return next.run(request).await;
    }
    let origin = escape(server.config().issuer().origin());
    let body = format!("<h1>Another address</h1>\n<p>This server is <a href=\"{origin}/\">{origin}</a>.</p>\n");
    demo::page::html(StatusCode::MISDIRECTED_REQUEST, "Another address", &body)
}

/// Whether a request names the issuer's host and port.
pub(crate) fn is_our_host(server: &Server, headers: &HeaderMap) -> bool {
    let issuer = server.config().issuer();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let default_port = if issuer.is_https() { ":443" } else { ":80" };
    let plain = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    plain(host) == plain(issuer.authority())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_issuer_follows_from_where_it_listens() {
        for (switches, issuer) in [
            (&["--listen=localhost:0"][..], "http://localhost:7"),
            (&["--listen=127.0.0.1:0"], "http://127.0.0.1:7"),
            (&["--listen=[::1]:0"], "http://[::1]:7"),
            (&["--listen=localhost:0", "--tls=self-signed"], "https://localhost:7"),
            (&["--listen=[::1]:0", "--tls-cert=c", "--tls-key=k"], "https://[::1]:7"),
        ] {
            let cli = Cli::parse_from([&["quickstart"], switches].concat());
            assert_eq!(default_issuer(&Settings::from_cli(&cli).unwrap(), 7), issuer);
        }
    }

    #[test]
    fn an_origin_is_the_issuer_without_its_path() {
        for (issuer, origin) in [
            ("http://localhost:4000", "http://localhost:4000"),
            ("https://id.example/auth/x", "https://id.example"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(origin_of(issuer), origin);
        }
    }
}
