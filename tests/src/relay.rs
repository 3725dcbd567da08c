//! A relay between clients and servers, to send them elsewhere and to lose what they say.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Listens on a free port of 127.0.0.1 and passes each connection on to one of its targets, until the test's process ends.
#[derive(Debug, Clone)]
pub struct Relay {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    targets: Mutex<Vec<String>>,
    next: AtomicUsize,
    lose_an_answer: AtomicBool,
    lost: AtomicU64,
    turns: AtomicU64,
}

impl Relay {
    /// A relay without targets: it accepts connections and closes them.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("no free port: {error}"));
        let port = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}")).port();
        let state = Arc::new(State {
            targets: Mutex::default(),
            next: AtomicUsize::new(0),
            lose_an_answer: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            turns: AtomicU64::new(0),
        });
        let relay = Self { port, state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                thread::spawn(move || state.serve(client));
            }
        });
        relay
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Passes new connections on to these addresses, each in its turn.
    pub fn lead_to(&self, targets: &[&str]) {
        let targets = targets.iter().map(|&target| target.to_owned()).collect();
        *self.state.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    /// Loses the next thing that a server says: the client sees the connection end in its place.
    pub fn lose_an_answer(&self) {
        self.state.lose_an_answer.store(true, Ordering::SeqCst);
    }

    /// How many answers were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::SeqCst)
    }

    /// How often a client spoke after the server had: the number of round trips.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.state.turns.load(Ordering::SeqCst)
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn serve(&self, client: TcpStream) {
        let target = {
            let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            let next = self.next.fetch_add(1, Ordering::SeqCst);
            targets.get(next % targets.len().max(1)).cloned()
        };
        // A client whose server is not there sees its connection end.
        let Some(Ok(server)) = target.map(TcpStream::connect) else { return };
        let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
        }
        // The server speaks second: what the client says first is a turn.
        let server_spoke = AtomicBool::new(true);
        thread::scope(|scope| {
            scope.spawn(|| {
                self.pass(client, to_server, |state| {
                    if server_spoke.swap(false, Ordering::SeqCst) {
                        state.turns.fetch_add(1, Ordering::SeqCst);
                    }
                    true
                });
            });
            self.pass(server, to_client, |state| {
                server_spoke.store(true, Ordering::SeqCst);
                let lose = state.lose_an_answer.swap(false, Ordering::SeqCst);
                if lose {
                    state.lost.fetch_add(1, Ordering::SeqCst);
                }
                !lose
            });
        });
    }

    /// Passes on what is said until one side ends, or `goes` says that it is lost; then both end.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, goes: impl Fn(&Self) -> bool) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if !goes(self) || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        from.shutdown(Shutdown::Both).ok();
        to.shutdown(Shutdown::Both).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Http, Page, site};

    #[test]
    fn connections_take_turns_between_targets_and_an_answer_can_be_lost() {
        let (one, two) = (site(|_| Page::new("one")), site(|_| Page::new("two")));
        let relay = Relay::new();
        let targets = [&one, &two].map(|origin| origin.strip_prefix("http://").unwrap());
        relay.lead_to(&targets);
        let url = format!("http://127.0.0.1:{}/", relay.port());
        let bodies = [(); 4].map(|()| Http::new().get(&url, &[]).body);
        assert_eq!(bodies, ["one", "two", "one", "two"]);
        assert_eq!((relay.turns(), relay.lost()), (4, 0));
        relay.lose_an_answer();
        assert!(Http::new().delete(&url).is_err());
        assert_eq!(relay.lost(), 1);
        assert_eq!(Http::new().get(&url, &[]).body, "two");
    }
}
