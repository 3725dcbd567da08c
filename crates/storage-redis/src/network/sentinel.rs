//! A master that sentinels name.

use std::sync::{Arc, Mutex, PoisonError};

use redis::Value;

use crate::OpenError;
use crate::access::Access;
use crate::address::Server;
use crate::error::{Cause, Failure};
use crate::link::Link;

pub(super) struct Sentinels {
    access: Access,
    sentinels: Vec<Link>,
    name: String,
    master: Mutex<Option<Arc<Link>>>,
    /// One caller asks; the others wait for what it learns.
    asking: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sentinels")
            .field("sentinels", &self.sentinels)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Sentinels {
    pub(super) fn new(access: &Access, sentinels: &[Server], name: String) -> Result<Self, OpenError> {
        let link = |server: &Server| Link::to_sentinel(access, server.clone());
        Ok(Self {
            access: access.clone(),
            sentinels: sentinels.iter().map(link).collect::<Result<_, _>>()?,
            name,
            master: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The master that was named last is to be asked for again.
    pub(super) fn forget(&self) {
        *self.master.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn known(&self) -> Option<Arc<Link>> {
        self.master.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn master(&self) -> Result<Arc<Link>, Failure> {
        if let Some(master) = self.known() {
            return Ok(master);
        }
        let _turn = self.asking.lock().await;
        if let Some(master) = self.known() {
            return Ok(master);
        }
        let mut last = Failure::unsent(&self.name, Cause::NoMaster);
        for sentinel in &self.sentinels {
            match self.ask(sentinel).await {
                Ok(Some(server)) => {
                    // It may have been asked too early: a master that turns out a replica is asked for again.
                    let master = Link::new(&self.access, server)
                        .map_err(|_| Failure::unsent(sentinel.server(), Cause::Answer))?;
                    let master = Arc::new(master);
                    *self.master.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&master));
                    return Ok(master);
                }
                Ok(None) => {}
                // Nothing was sent to the master.
                Err(failure) => last = Failure { sent: false, ..failure },
            }
        }
        Err(last)
    }

    async fn ask(&self, sentinel: &Link) -> Result<Option<Server>, Failure> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let wrong = |cause| Failure::unsent(sentinel.server(), cause);
        let asked = sentinel.send(&[question]).await.map_err(|failure| match failure.error.cause {
            Cause::Credentials => wrong(Cause::SentinelCredentials),
            _ => failure,
        });
        match asked?.pop() {
            Some(Value::Nil) => Ok(None),
            Some(Value::Array(parts)) => match parts.as_slice() {
                [Value::BulkString(host), Value::BulkString(port)] => {
                    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
                    let port = text(port).and_then(|port| port.parse().ok());
                    let (Some(host), Some(port)) = (text(host), port) else { return Err(wrong(Cause::Answer)) };
                    Ok(Some(Server { host, port }))
                }
                _ => Err(wrong(Cause::Answer)),
            },
            Some(Value::ServerError(error)) => Err(wrong(match Cause::of_code(error.code()) {
                Cause::Credentials => Cause::SentinelCredentials,
                cause => cause,
            })),
            _ => Err(wrong(Cause::Answer)),
        }
    }
}
