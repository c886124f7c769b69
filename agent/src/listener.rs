//! Answers `/metrics`, `/healthz` and `/readyz` over HTTP, for as long as the program runs.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tracing::debug;

/// What the listener asks the program.
pub trait Status: Send + Sync + 'static {
    /// Everything in Prometheus' text format.
    fn metrics(&self) -> String;
    /// Why it is not ready, or that it is.
    fn ready(&self) -> Result<(), String>;
}

/// Answers until it is dropped. At most 16 connections at a time; what comes beyond waits.
pub async fn serve(listener: TcpListener, status: Arc<dyn Status>) {
    let places = Arc::new(tokio::sync::Semaphore::new(16));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let status = Arc::clone(&status);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let status = Arc::clone(&status);
                // Samples are taken while the answer is made, which may wait for a disk.
                let answer = tokio::task::spawn_blocking(move || answer(&request, &*status));
                async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|_| Response::default())) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            let connection = builder.timer(TokioTimer::new()).header_read_timeout(std::time::Duration::from_secs(10));
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                debug!(%error, "connection");
            }
            drop(place);
        });
    }
}

fn answer<B>(request: &Request<B>, status: &dyn Status) -> Response<Full<Bytes>> {
    let (code, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", status.metrics())
        }
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        (&Method::GET | &Method::HEAD, "/readyz") => match status.ready() {
            Ok(()) => (StatusCode::OK, "text/plain", "ready\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{why}\n")),
        },
        (&Method::GET | &Method::HEAD, _) => {
            (StatusCode::NOT_FOUND, "text/plain", "there is /metrics, /healthz and /readyz\n".to_owned())
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
