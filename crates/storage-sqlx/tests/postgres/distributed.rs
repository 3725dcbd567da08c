//! Databases that put transactions off where PostgreSQL itself seldom does, as CockroachDB and YugabyteDB do: at any statement, and at
//! the commit. No server of either is installed for the tests, so what they answer is said in a server's place.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_storage_sqlx::{ServerTrouble, SqlOptions, SqlStore};
use countersign_storage_traits::{CommitError, Expect, Store as _, StoreError};

use crate::{NOW, SERVER, batch, charge, key, pair, read, trouble_of};

/// What becomes of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is not done, and answered with this SQLSTATE.
    Refused(&'static str),
    /// A commit that turns out a rollback, and is answered so.
    RolledBack(&'static str),
    /// It is done, and answered so.
    DoneUnseen(&'static str),
}

/// The fates of the next statements that begin so, in order.
type Plan = Arc<Mutex<Vec<(&'static str, Fate)>>>;

/// Stands before the server of these tests; speaks the simple protocol in turns (PostgreSQL's documentation, §55.2.3).
fn before_the_server() -> (String, Plan) {
    let plan = Plan::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::clone(&plan);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (plan, server) = (Arc::clone(&shared), TcpStream::connect(SERVER.address()).unwrap());
            // Whoever hangs up ends it.
            std::thread::spawn(move || serve(&client, &server, &plan).ok());
        }
    });
    let url = SERVER.fresh_schema().replace(&SERVER.address(), &address.to_string());
    (format!("{url}&sslmode=disable"), plan)
}

fn serve(mut client: &TcpStream, mut server: &TcpStream, plan: &Plan) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // The first message has no type.
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    server.write_all(&length)?;
    server.write_all(&body(client, length)?)?;
    let mut state = loop {
        let (kind, body) = message(server)?;
        send(client, kind, &body)?;
        match (kind, body[..].first_chunk::<4>().map(|code| u32::from_be_bytes(*code))) {
            (b'Z', _) => break body[0],
            // It asks for more of a password: in plain words, hashed, or by SCRAM.
            (b'R', Some(3 | 5 | 10 | 11)) => {
                let (kind, body) = message(client)?;
                send(server, kind, &body)?;
            }
            _ => {}
        }
    };
    loop {
        let (kind, statement) = message(client)?;
        let text = String::from_utf8_lossy(&statement).into_owned();
        let fate = {
            let mut plan = plan.lock().unwrap();
            let at = plan.iter().position(|(begins, _)| kind == b'Q' && text.starts_with(begins));
            at.map(|at| plan.remove(at).1)
        };
        let code = match fate {
            None => {
                send(server, kind, &statement)?;
                state = answers(server, |kind, body| send(client, kind, body))?;
                continue;
            }
            Some(Fate::Refused(code)) => {
                state = if state == b'T' { b'E' } else { state };
                code
            }
            Some(Fate::RolledBack(code)) => {
                send(server, b'Q', b"ROLLBACK\0")?;
                state = answers(server, |_, _| Ok(()))?;
                code
            }
            Some(Fate::DoneUnseen(code)) => {
                send(server, kind, &statement)?;
                state = answers(server, |_, _| Ok(()))?;
                code
            }
        };
        send(client, b'E', format!("SERROR\0VERROR\0C{code}\0Mrestart transaction\0\0").as_bytes())?;
        send(client, b'Z', &[state])?;
    }
}

/// Takes a server's answers up to the one that says it is ready, and in which state.
fn answers(server: &TcpStream, mut each: impl FnMut(u8, &[u8]) -> io::Result<()>) -> io::Result<u8> {
    loop {
        let (kind, body) = message(server)?;
        each(kind, &body)?;
        if kind == b'Z' {
            return Ok(body[0]);
        }
    }
}

fn message(mut from: &TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let (mut kind, mut length) = ([0], [0; 4]);
    from.read_exact(&mut kind)?;
    from.read_exact(&mut length)?;
    Ok((kind[0], body(from, length)?))
}

fn body(mut from: &TcpStream, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    from.read_exact(&mut body)?;
    Ok(body)
}

fn send(mut to: &TcpStream, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    to.write_all(&[&[kind], &length[..], body].concat())
}

/// A store that commits by transactions, in messages of their own.
async fn store(url: &str) -> SqlStore {
    let options = SqlOptions::default().transactions(true).pooler(true).call_timeout(Duration::from_secs(5));
    SqlStore::open_with(url, options).await.unwrap()
}

const WRITES: [&str; 4] = ["BEGIN", "SELECT k, version", "INSERT INTO countersign_record", "COMMIT"];

#[tokio::test]
async fn promise_1_what_is_put_off_at_a_statement_or_at_the_commit_is_repeated_and_done_once() {
    let (url, plan) = before_the_server();
    let store = store(&url).await;
    let mut number = 0;
    for code in ["40001", "40P01"] {
        for begins in WRITES {
            number += 1;
            let fate = if begins == "COMMIT" { Fate::RolledBack(code) } else { Fate::Refused(code) };
            *plan.lock().unwrap() = vec![(begins, fate); 3];
            let both = pair(number);
            store.commit(&both).await.unwrap_or_else(|error| panic!("{code} at {begins}: {error:?}"));
            assert!(plan.lock().unwrap().is_empty(), "{code} at {begins} was said three times");
            for record in [2 * number, 2 * number + 1] {
                assert_eq!(read(&store, record).await.unwrap().version, both.id(), "{code} at {begins}");
            }
        }
        *plan.lock().unwrap() = vec![("INSERT INTO countersign_counter", Fate::Refused(code)); 3];
        store.charge(&[charge(u128::from(number), 2)], NOW).await.unwrap();
        assert_eq!(store.charge(&[charge(u128::from(number), 0)], NOW).await.unwrap()[0].count, 2, "{code}");
        *plan.lock().unwrap() = vec![("SELECT", Fate::Refused(code)); 3];
        assert!(store.get(&[key(2)], NOW).await.unwrap()[0].is_some(), "{code}");
    }
}

#[tokio::test]
async fn promise_1_a_commit_of_which_nobody_knows_is_looked_up_and_done_once() {
    let (url, plan) = before_the_server();
    let store = store(&url).await;
    for (number, fate) in [(1, Fate::DoneUnseen("40003")), (2, Fate::RolledBack("40003"))] {
        *plan.lock().unwrap() = vec![("COMMIT", fate)];
        let both = pair(number);
        store.commit(&both).await.unwrap();
        assert!(plan.lock().unwrap().is_empty());
        assert_eq!(read(&store, 2 * number).await.unwrap().version, both.id(), "{fate:?}");
    }
}

#[tokio::test]
async fn promise_1_a_commit_that_was_put_off_while_another_won_is_a_conflict() {
    let (url, plan) = before_the_server();
    let store = store(&url).await;
    let first = batch(1, Expect::Absent, "first");
    store.commit(&first).await.unwrap();
    let (one, other) = (batch(1, Expect::At(first.id()), "one"), batch(1, Expect::At(first.id()), "other"));
    // Put off for so long that the other commits meanwhile.
    *plan.lock().unwrap() = vec![("COMMIT", Fate::RolledBack("40001")); 8];
    let (one_came, other_came) = tokio::join!(store.commit(&one), store.commit(&other));
    assert!(one_came.is_ok() != other_came.is_ok(), "exactly one wins: {one_came:?}, {other_came:?}");
    let (winner, lost) = if one_came.is_ok() { (&one, other_came) } else { (&other, one_came) };
    assert!(matches!(lost, Err(CommitError::Conflict(of)) if of == key(1)), "{lost:?}");
    assert_eq!(read(&store, 1).await.unwrap().version, winner.id());
}

#[tokio::test]
async fn promise_14_what_is_put_off_until_the_time_is_up_is_refused_and_not_there() {
    let (url, plan) = before_the_server();
    let options = SqlOptions::default().transactions(true).pooler(true).call_timeout(Duration::from_millis(500));
    let store = SqlStore::open_with(&url, options).await.unwrap();
    *plan.lock().unwrap() = vec![("COMMIT", Fate::RolledBack("40001")); 10_000];
    let error = store.commit(&pair(1)).await.unwrap_err();
    // On a slow machine the time is up amid an attempt, of which nobody can say that it was put off too.
    let told = (matches!(error, CommitError::Refused(StoreError::Unavailable(_))), trouble_of(&error));
    assert!(matches!(told, (true, ServerTrouble::Contention) | (false, ServerTrouble::Slow)), "{error:?}");
    plan.lock().unwrap().clear();
    assert!(read(&store, 2).await.is_none() && read(&store, 3).await.is_none());
    store.commit(&pair(1)).await.unwrap();
}
