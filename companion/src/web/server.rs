//! The listener: connections, TLS, patience, and who may. What is asked is answered by a [`Handler`].
//!
//! Bounded: so many connections at a time; for one that comes beyond, the one goes that has been idle for longest, so that nobody
//! can keep others out by asking nothing. A client that is slow with its headers, its handshake or its body is cut off, and holds up
//! nobody but itself.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::answer::{self, Answer};
use crate::intake::access::{Access, Denied};

/// From the connection to the end of the headers, and between two requests.
const HEADER_TIME: Duration = Duration::from_secs(30);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Headers are read into so many bytes.
const HEADER_BYTES: usize = 64 << 10;

/// Whoever answers.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request of a client that may.
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// What a reload may change while connections are open.
#[derive(Debug, Default)]
pub struct Door {
    /// Who may.
    pub access: RwLock<Arc<Access>>,
    /// TLS, if it is spoken.
    pub tls: RwLock<Option<Arc<ServerConfig>>>,
}

/// The place of one connection.
#[derive(Debug)]
struct Seat {
    /// Since when it has asked nothing; none while it is answered.
    idle_since: Mutex<Option<Instant>>,
    /// Somebody else needs the place.
    leave: Notify,
}

impl Seat {
    fn new() -> Self {
        Self { idle_since: Mutex::new(Some(Instant::now())), leave: Notify::new() }
    }

    fn idle_since(&self) -> Option<Instant> {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_idle(&self, since: Option<Instant>) {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// Asks the connection to go that has been idle for longest, if there is one.
fn make_room(seats: &mut Vec<Weak<Seat>>) {
    seats.retain(|seat| seat.strong_count() > 0);
    let taken = seats.iter().filter_map(Weak::upgrade);
    let idle = taken.filter_map(|seat| Some((seat.idle_since()?, seat)));
    if let Some((_, seat)) = idle.min_by_key(|(since, _)| *since) {
        seat.leave.notify_one();
    }
}

/// Takes connections until `stop` says so; then it lets those end that are being answered. `connections` at a time.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    door: Arc<Door>,
    handler: Arc<H>,
    connections: usize,
    stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(connections));
    let mut seats: Vec<Weak<Seat>> = Vec::new();
    let mut stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: some will be free again.
                debug!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if places.available_permits() == 0 {
            make_room(&mut seats);
        }
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let Ok(place) = place else { break };
        // Those that are gone are forgotten before the list grows.
        if seats.len() >= 2 * connections {
            seats.retain(|seat| seat.strong_count() > 0);
        }
        let seat = Arc::new(Seat::new());
        seats.push(Arc::downgrade(&seat));
        // An answer is one small segment, and somebody waits for it.
        let _ = stream.set_nodelay(true);
        let tls = door.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (door, handler, stop) = (Arc::clone(&door), Arc::clone(&handler), stop.clone());
        tokio::spawn(async move {
            let talk = async {
                match tls {
                    None => connection(stream, door, handler, &seat, stop).await,
                    Some(config) => match tokio::time::timeout(HANDSHAKE_TIME, TlsAcceptor::from(config).accept(stream)).await {
                        Ok(Ok(stream)) => connection(stream, door, handler, &seat, stop).await,
                        Ok(Err(error)) => debug!(%error, "TLS handshake"),
                        Err(_) => debug!("TLS handshake took too long"),
                    },
                }
            };
            tokio::select! {
                () = talk => {}
                () = seat.leave.notified() => debug!("idle for longest, and others wait"),
            }
            drop(place);
        });
    }
    // Whoever is being answered has a place.
    let _ = places.acquire_many(connections.try_into().unwrap_or(u32::MAX)).await;
}

async fn connection<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Arc<Door>,
    handler: Arc<H>,
    seat: &Seat,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (door, handler) = (Arc::clone(&door), Arc::clone(&handler));
        async move {
            seat.set_idle(None);
            let answer = answer(request, &door, handler).await;
            seat.set_idle(Some(Instant::now()));
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(HEADER_BYTES);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        debug!(%error, "connection");
    }
}

async fn answer<H: Handler>(request: Request<Incoming>, door: &Door, handler: Arc<H>) -> Answer {
    // Whoever starts and stops the companion has no token; these two say nothing.
    if !matches!(request.uri().path(), "/healthz" | "/readyz" | "/ready") {
        let access = Arc::clone(&door.access.read().unwrap_or_else(PoisonError::into_inner));
        match access.check(request.headers()) {
            Ok(()) => {}
            Err(Denied::Unauthorized) => return answer::unauthorized(),
            Err(Denied::CrossSite) => {
                let words = "asked for by a page of another site, or under a name that is not ours: set `external_url`\n";
                return answer::plain(StatusCode::FORBIDDEN, words);
            }
        }
    }
    handler.answer(request).await
}
