//! Destinations: each has one task that sends one request at a time, in order. A Loki's settles positions by the answers; a remote
//! write's counts what became of each sample.

pub mod delivery;
pub mod dry_run;
pub mod http;
pub mod loki;
pub mod remote_write;

use tokio::sync::watch;

/// Ends when everything is to end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender is gone only when everything has ended.
    let _ = stop.wait_for(|stop| *stop).await;
}
