//! One request: its body is read as it comes, decoded beside the sockets, judged, handed to the engine, and answered when it is safe.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use proto::loki::decode::{DecodeError, PushEntry, decode};
use proto::time::UnixNanos;
use tokio::sync::{Semaphore, oneshot};
use tracing::info;

use super::budget::{Budget, Held};
use super::gate::Gate;
use super::{Blocked, Counters, Delivery, Outlet};
use crate::clock;
use crate::config::checked::Limits;
use crate::labels::LabelSet;

/// From the end of the headers to that of the body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Requests that are decoded at a time.
const DECODING: usize = 2;
/// All requests together may hold so many of the largest.
const BODIES: usize = 8;
/// When everything is taken, it is worth trying again soon.
const SOON: Duration = Duration::from_secs(1);

/// An answer without a body, or with the reason why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 204, or another.
    pub status: u16,
    /// Why.
    pub message: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// The way in.
pub struct Intake {
    limits: RwLock<Limits>,
    gate: Mutex<Gate>,
    budget: Budget,
    decoding: Arc<Semaphore>,
    outlet: Outlet,
    /// What it counts.
    pub counters: Counters,
    noted_tenant: std::sync::Once,
}

impl Intake {
    /// Hands what it takes to `outlet`.
    pub fn new(limits: Limits, outlet: Outlet) -> Self {
        Self {
            limits: RwLock::new(limits),
            gate: Mutex::new(Gate::new(limits)),
            budget: Budget::new(BODIES * limits.body),
            decoding: Arc::new(Semaphore::new(DECODING)),
            outlet,
            counters: Counters::default(),
            noted_tenant: std::sync::Once::new(),
        }
    }

    /// Other limits from now on. (The bytes of all requests together stay as they were made.)
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).set_limits(limits);
    }

    /// Bytes of requests that are held, and streams that count as active.
    pub fn load(&self) -> (usize, usize) {
        (self.budget.held(), self.gate.lock().unwrap_or_else(PoisonError::into_inner).active())
    }

    /// Takes a request. The client was let in already.
    pub async fn push<B>(self: &Arc<Self>, headers: &HeaderMap, body: B) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let answer = self.take(headers, body).await.unwrap_or_else(|refused| refused);
        self.counters.answers.add(&answer.status.to_string(), 1);
        answer
    }

    async fn take<B>(self: &Arc<Self>, headers: &HeaderMap, body: B) -> Result<Answer, Answer>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        if let Some(tenant) = headers.get("x-scope-orgid") {
            self.noted_tenant.call_once(|| info!(?tenant, "there is one tenant here; the header X-Scope-OrgID is passed over"));
        }
        let limits = *self.limits.read().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.budget.open();
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|len| len > limits.body) {
            return Err(Answer::too_large(limits.body));
        }
        let body = match tokio::time::timeout(BODY_TIME, read(body, limits.body, &mut held)).await {
            Ok(body) => body?,
            Err(_) => return Err(Answer::new(408, format!("the body did not come within {} s", BODY_TIME.as_secs()))),
        };
        let place = Arc::clone(&self.decoding).acquire_owned().await;
        // Decoded it may be larger, up to the limit; until that is known it counts as that.
        if !held.grow(limits.body) {
            return Err(Answer::busy("requests hold all the memory that they may"));
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (kind, encoding) = (text(CONTENT_TYPE), text(CONTENT_ENCODING));
        let intake = Arc::clone(self);
        let arrived = clock::now();
        let judged = tokio::task::spawn_blocking(move || {
            let _place = place;
            let push = decode(kind.as_deref(), encoding.as_deref(), &body, limits.body).map_err(|error| refusal_of(&error))?;
            drop(body);
            let judged = intake.gate.lock().unwrap_or_else(PoisonError::into_inner).judge(push, arrived);
            held.shrink_to(judged.bytes);
            Ok((judged, held))
        });
        let (judged, held) = judged.await.map_err(|error| Answer::new(500, format!("decoding broke off: {error}")))??;
        let refusal = judged.refusal.map(|refusal| {
            for (reason, count) in &refusal.counts {
                self.counters.refused.add(reason, *count);
            }
            Answer { status: refusal.status, message: refusal.message, retry_after: refusal.retry_after }
        });
        let entries: usize = judged.streams.iter().map(|(_, entries)| entries.len()).sum();
        if entries > 0 {
            self.deliver(judged.streams, arrived, held).await?;
            self.counters.entries.add(entries);
            self.counters.bytes.add(judged.bytes);
        }
        Ok(refusal.unwrap_or_else(|| Answer::new(204, String::new())))
    }

    async fn deliver(&self, streams: Vec<(LabelSet, Vec<PushEntry>)>, arrived: UnixNanos, held: Held) -> Result<(), Answer> {
        let (done, said) = oneshot::channel();
        match (self.outlet)(Delivery { streams, arrived, done, held }) {
            Ok(()) => {}
            Err(Blocked::Full) => return Err(Answer::busy("the rules are behind")),
            Err(Blocked::Ended) => return Err(Answer::ending()),
        }
        match said.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Answer { status: 503, message: why, retry_after: Some(SOON) }),
            Err(_) => Err(Answer::ending()),
        }
    }
}

impl Answer {
    fn new(status: u16, message: String) -> Self {
        Self { status, message, retry_after: None }
    }

    fn too_large(limit: usize) -> Self {
        Self::new(413, format!("request body too large: the limit is {limit} bytes; send less at once, or raise `limits.body`"))
    }

    fn busy(why: &str) -> Self {
        Self { status: 429, message: format!("{why}; send the same again"), retry_after: Some(SOON) }
    }

    fn ending() -> Self {
        Self { status: 503, message: "the companion is ending; send the same again".to_owned(), retry_after: Some(SOON) }
    }
}

/// The whole body, each piece held as it comes.
async fn read<B>(mut body: B, limit: usize, held: &mut Held) -> Result<Vec<u8>, Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Answer::new(400, format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(Answer::too_large(limit));
        }
        if !held.grow(data.len()) {
            return Err(Answer::busy("requests hold all the memory that they may"));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

fn refusal_of(error: &DecodeError) -> Answer {
    match error {
        DecodeError::TooLarge { limit } => Answer::too_large(*limit),
        other => Answer::new(400, other.to_string()),
    }
}
