//! The nodes of a cluster, and which of them is the master of which slot.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::sync::Mutex;

use crate::OpenError;
use crate::access::Access;
use crate::address::Server;
use crate::error::{Cause, Failure};
use crate::link::Link;
use crate::slot::SLOTS;

/// The map is not asked for again within this time, however many callers are redirected.
const CALM: Duration = Duration::from_millis(50);

pub(super) struct Cluster {
    access: Access,
    seeds: Vec<Arc<Link>>,
    map: RwLock<Map>,
    refreshed: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Map {
    nodes: HashMap<Server, Arc<Link>>,
    /// The master of each slot; empty before the first look.
    slots: Vec<Option<Arc<Link>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("seeds", &self.seeds).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(super) fn new(access: &Access, seeds: &[Server]) -> Result<Self, OpenError> {
        let link = |server: &Server| Link::new(access, server.clone()).map(Arc::new);
        Ok(Self {
            access: access.clone(),
            // A seed may be a replica: it is asked for the map, which any node tells.
            seeds: seeds.iter().map(link).collect::<Result<_, _>>()?,
            map: RwLock::default(),
            refreshed: Mutex::default(),
        })
    }

    pub(super) async fn link(&self, slot: u16) -> Result<Arc<Link>, Failure> {
        if self.is_unknown() {
            self.look().await?;
        }
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let link = map.slots.get(usize::from(slot)).cloned().flatten();
        link.ok_or_else(|| Failure::unsent("the cluster", Cause::ClusterDown))
    }

    pub(super) async fn masters(&self) -> Result<Vec<Arc<Link>>, Failure> {
        self.look().await?;
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let mut masters: Vec<Arc<Link>> = Vec::new();
        for link in map.slots.iter().flatten() {
            if !masters.iter().any(|known| known.server() == link.server()) {
                masters.push(Arc::clone(link));
            }
        }
        Ok(masters)
    }

    fn is_unknown(&self) -> bool {
        self.map.read().unwrap_or_else(PoisonError::into_inner).slots.is_empty()
    }

    /// The link to a node that a redirection names.
    pub(super) fn link_named(&self, text: &str) -> Option<Arc<Link>> {
        self.link_to(Server::parse(text, 0)?)
    }

    fn link_to(&self, server: Server) -> Option<Arc<Link>> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = map.nodes.get(&server) {
            return Some(Arc::clone(link));
        }
        let link = Arc::new(Link::new(&self.access, server.clone()).ok()?);
        map.nodes.insert(server, Arc::clone(&link));
        Some(link)
    }

    pub(super) fn moved(&self, slot: u16, link: Arc<Link>) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(master) = map.slots.get_mut(usize::from(slot)) {
            *master = Some(link);
        }
    }

    /// Looks at the map again; when nobody tells, the old one stays.
    pub(super) async fn refresh(&self) {
        if let Err(failure) = self.look().await {
            tracing::debug!(error = %failure.error, "no node of the cluster tells its slots");
        }
    }

    async fn look(&self) -> Result<(), Failure> {
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.is_some_and(|at| at.elapsed() < CALM) && !self.is_unknown() {
            return Ok(());
        }
        let mut last = Failure::unsent("the cluster", Cause::ClusterDown);
        for node in self.informants() {
            match self.ask(&node).await {
                Ok(slots) => {
                    self.learn(slots);
                    *refreshed = Some(Instant::now());
                    return Ok(());
                }
                // Nothing of the caller's was sent.
                Err(failure) => last = Failure { sent: false, ..failure },
            }
        }
        *refreshed = Some(Instant::now());
        Err(last)
    }

    /// Who may be asked: the nodes that were heard of, then those of the URL.
    fn informants(&self) -> Vec<Arc<Link>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let seeds = self.seeds.iter().filter(|seed| !map.nodes.contains_key(seed.server()));
        map.nodes.values().chain(seeds).cloned().collect()
    }

    fn learn(&self, ranges: Vec<(u16, u16, Server)>) {
        let mut slots = vec![None; usize::from(SLOTS)];
        let mut masters = HashMap::new();
        for (first, last, server) in ranges {
            let Some(link) = self.link_to(server.clone()) else { continue };
            masters.insert(server, Arc::clone(&link));
            for slot in first..=last.min(SLOTS - 1) {
                slots[usize::from(slot)] = Some(Arc::clone(&link));
            }
        }
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.slots = slots;
        // Nodes that have no slot any more are heard of again when they have one.
        map.nodes = masters;
    }

    async fn ask(&self, node: &Link) -> Result<Vec<(u16, u16, Server)>, Failure> {
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        match node.send(&[question]).await?.pop() {
            Some(Value::Array(ranges)) => {
                let ranges: Option<Vec<_>> = ranges.iter().map(|range| read_range(range, node.server())).collect();
                match ranges {
                    Some(ranges) if !ranges.is_empty() => Ok(ranges),
                    Some(_) => Err(Failure::unsent(node.server(), Cause::ClusterDown)),
                    None => Err(Failure::unsent(node.server(), Cause::Answer)),
                }
            }
            Some(Value::ServerError(error)) => Err(Failure::unsent(node.server(), Cause::of_code(error.code()))),
            _ => Err(Failure::unsent(node.server(), Cause::Answer)),
        }
    }
}

/// One entry of `CLUSTER SLOTS`: first, last, the master, replicas. A node that does not know its own name leaves it empty.
fn read_range(range: &Value, asked: &Server) -> Option<(u16, u16, Server)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
    let [host, Value::Int(port), ..] = master.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() && host != b"?" => std::str::from_utf8(host).ok()?.to_owned(),
        Value::BulkString(_) | Value::Nil => asked.host.clone(),
        _ => return None,
    };
    let server = Server { host, port: u16::try_from(*port).ok()? };
    Some((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, server))
}
