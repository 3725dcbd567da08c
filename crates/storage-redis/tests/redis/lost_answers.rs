//! Answers that are lost on the way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_storage_traits::{Expect, Store as _};

use crate::servers::Redis;
use crate::{batch, charge, fresh_id, open, read};

/// Passes everything on, and cuts the connection instead of passing on every so manieth answer.
fn lossy(server: &Redis, every: u32) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let (target, lost) = (server.port, Arc::new(AtomicU32::new(0)));
    let counting = Arc::clone(&lost);
    let answers = Arc::new(AtomicU32::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
            let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                std::io::copy(&mut up_from, &mut up_to).ok();
                up_to.shutdown(Shutdown::Both).ok();
            });
            let (answers, lost) = (Arc::clone(&answers), Arc::clone(&counting));
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(length @ 1..) = from.read(&mut buffer) {
                    if (answers.fetch_add(1, Ordering::SeqCst) + 1) % every == 0 {
                        lost.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    if to.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                to.shutdown(Shutdown::Both).ok();
                from.shutdown(Shutdown::Both).ok();
            });
        }
    });
    (url, lost)
}

#[tokio::test]
async fn promise_1_a_commit_whose_answer_is_lost_is_repeated_and_done_once() {
    let server = Redis::start(&[]);
    let (url, lost) = lossy(&server, 17);
    let store = open(&url).await;
    let mut expect = Expect::Absent;
    for round in 0..150 {
        let rotation = batch(1, expect, "rotated");
        store.commit(&rotation).await.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        assert_eq!(read(&store, 1).await.unwrap().version, rotation.id());
        expect = Expect::At(rotation.id());
    }
    assert!(lost.load(Ordering::SeqCst) > 10, "answers were lost");
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_counted_once() {
    let server = Redis::start(&[]);
    let (url, lost) = lossy(&server, 17);
    let store = open(&url).await;
    let charge = charge(fresh_id());
    for round in 1..=150 {
        let charged = store.charge(&[charge], crate::now()).await.unwrap().remove(0);
        assert_eq!((charged.admitted, charged.count), (true, round));
    }
    assert!(lost.load(Ordering::SeqCst) > 10, "answers were lost");
}
