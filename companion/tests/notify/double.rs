//! Stand-ins on loopback: an HTTP server that answers as it is told and remembers what it was asked, and what waits for it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use companion::labels::LabelSet;
use companion::notify::alert::Alert;
use companion::notify::clock::now;
use companion::notify::config::{self, Config};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use proto::time::UnixNanos;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// One request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<Asked>,
    answers: VecDeque<(u16, String, Option<String>)>,
}

/// Answers 200 and `ok`, or what it was told before.
#[derive(Clone, Debug)]
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Double {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        Self::with(listener, None)
    }

    /// Speaks TLS.
    pub(crate) async fn secret(acceptor: TlsAcceptor) -> Self {
        Self::with(TcpListener::bind("127.0.0.1:0").await.unwrap(), Some(acceptor))
    }

    fn with(listener: TcpListener, acceptor: Option<TlsAcceptor>) -> Self {
        let double = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&double.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    match acceptor {
                        None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            drop(http.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                });
            }
        });
        double
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next answers, before those of the usual kind.
    pub(crate) fn will_answer(&self, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned(), None));
        self.state.lock().unwrap().answers.extend(answers);
    }

    /// As Slack does when it is too much.
    pub(crate) fn will_ask_to_wait(&self, seconds: &str) {
        self.state.lock().unwrap().answers.push_back((429, "rate_limited".to_owned(), Some(seconds.to_owned())));
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// What was asked, once it is so many.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Asked> {
        until(&format!("{count} requests"), || {
            let asked = self.asked();
            (asked.len() >= count).then_some(asked)
        })
        .await
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut state = state.lock().unwrap();
    state.asked.push(Asked { path, authorization, body: String::from_utf8_lossy(&body).into_owned() });
    let (status, body, retry_after) = state.answers.pop_front().unwrap_or((200, "ok".to_owned(), None));
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.parse().unwrap());
    }
    Ok(response)
}

/// Polls until there is something.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn labels(text: &str) -> LabelSet {
    text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect()
}

/// Fires since a second ago, for an hour.
pub(crate) fn firing(text: &str) -> Alert {
    let name = labels(text).get("alertname").unwrap_or_default().to_owned();
    Alert {
        labels: labels(text),
        annotations: [("summary", format!("{name} happened"))].into_iter().collect(),
        starts_at: UnixNanos(now().0 - 1_000_000_000),
        ends_at: UnixNanos(now().0 + 3_600_000_000_000),
        generator_url: "http://picket.example.org/rule".to_owned(),
    }
}

/// The same, over by now.
pub(crate) fn over(alert: &Alert) -> Alert {
    Alert { ends_at: now(), ..alert.clone() }
}

pub(crate) fn read(config: &str) -> Config {
    config::parse(&"am.yml".into(), config.as_bytes(), std::path::Path::new("/")).unwrap_or_else(|error| panic!("{error}"))
}
