//! The quickstart: `cargo run -p quickstart`, `--help` for its switches.

use std::error::Error as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use quickstart::{Cli, Command, Running, Settings, StartError, export, import, invite, move_store, reseal, start};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let done = match cli.instead() {
        None => run(&cli).await,
        Some(Command::Move(moving)) => move_store(moving).await.map_err(StartError::from),
        Some(Command::Export(args)) => export(&cli, args).await,
        Some(Command::Import(args)) => import(&cli, args).await,
        Some(Command::Reseal) => reseal(&cli).await,
        Some(Command::Invite(args)) => invite(&cli, args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(cli: &Cli) -> Result<(), StartError> {
    // Listened for before anything else, so that no signal is lost while it starts.
    let ended = end();
    let settings = Settings::from_cli(cli)?;
    let introduction = introduction(&settings);
    let running = start(settings).await?;
    announce(&running, &introduction);
    ended.await;
    running.stop().await;
    Ok(())
}

fn introduction(settings: &Settings) -> String {
    let users = settings.users.iter().map(|user| match user.known_password() {
        Some(password) => format!("  {} with password {password}\n", user.name),
        None => format!("  {} with the password that you gave\n", user.name),
    });
    let mut text = format!("Demo users:\n{}", users.collect::<String>());
    text.push_str("Clients register themselves at /oauth/register (RFC 7591).\n");
    if settings.admin_token.is_some() {
        text.push_str("Administration is below /admin/, by the token of --admin-token.\n");
    }
    if !settings.throttle {
        text.push_str("Guessing is NOT limited (--throttle off): for tests alone.\n");
    }
    if !settings.listen.is_loopback() {
        text.push_str("Open to other machines (--open-demo): demo users, registration and the outbox are anybody's.\n");
    }
    text
}

/// Says what there is; the last line tells programs that it serves.
fn announce(running: &Running, introduction: &str) {
    let (issuer, outbox, data) = (running.issuer(), running.outbox().display(), running.data().display());
    let text = format!(
        "Countersign quickstart at {issuer}\nOpen {issuer}/ in a browser, and sign in.\n{introduction}\
         ready issuer={issuer} outbox={outbox} data={data}\n"
    );
    // A closed terminal is no reason to stop serving.
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

fn tell(error: &StartError) {
    let _ = writeln!(io::stderr(), "quickstart: {}", with_reason(error));
}

/// The message, and behind it what the system or the database said where files are the trouble.
fn with_reason(error: &StartError) -> String {
    let mut text = error.to_string();
    let mut source = match error {
        StartError::Data(_)
        | StartError::Store(_)
        | StartError::Move(_)
        | StartError::Transfer(_)
        | StartError::Invite(_) => error.source(),
        _ => None,
    };
    while let Some(reason) = source {
        let said = reason.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = reason.source();
    }
    text
}

/// Comes to its end with SIGTERM or SIGINT.
#[cfg(unix)]
fn end() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};

    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match (terminate, interrupt) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ => drop(tokio::signal::ctrl_c().await),
        }
    }
}

/// Comes to its end with Ctrl-C.
#[cfg(not(unix))]
async fn end() {
    drop(tokio::signal::ctrl_c().await);
}
