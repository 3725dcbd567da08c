//! What stands before several nodes: one address, and the choice of a node for each connection.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Takes connections at the issuer's address and passes each to a node: to each in turn, or to one alone.
#[derive(Debug)]
pub(crate) struct Balancer {
    port: u16,
    chosen: Arc<AtomicUsize>,
}

/// No node is chosen: each in turn.
const EACH: usize = usize::MAX;

impl Balancer {
    pub(crate) fn before(nodes: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let chosen = Arc::new(AtomicUsize::new(EACH));
        let choice = Arc::clone(&chosen);
        thread::spawn(move || {
            for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
                let node = match choice.load(Ordering::SeqCst) {
                    EACH => number % nodes.len(),
                    chosen => chosen,
                };
                if let Ok(server) = TcpStream::connect(("127.0.0.1", nodes[node])) {
                    pass_on(&client, &server);
                    pass_on(&server, &client);
                }
            }
        });
        Self { port, chosen }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// From now on this node alone is asked.
    pub(crate) fn only(&self, node: usize) {
        self.chosen.store(node, Ordering::SeqCst);
    }

    /// From now on each is asked in turn.
    pub(crate) fn each(&self) {
        self.chosen.store(EACH, Ordering::SeqCst);
    }
}

fn pass_on(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
}
