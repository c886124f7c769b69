//! The one place where every thread, task and queue is made, named and bounded: listener → intake → rules → notifications.
//!
//! Threads: this one with all sockets; `rules`, which owns them; up to [`READERS`] that decode pushes and read the window. Queues: requests
//! in memory ([`Budget`](crate::intake::budget::Budget)), errands of the rules' thread ([`QUEUED`](crate::evaluator::QUEUED)), and
//! those of `notify`. Ending goes the way the data goes: no new connections, what was begun is answered, rules are evaluated and saved,
//! people are told; [`GRACE`] bounds it all.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use settings::problem::Problems;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::clock;
use crate::config::checked::{self, Config};
use crate::config::{self, Arguments, Loaded};
use crate::evaluator::{Desk, evaluator};
use crate::intake::access::{Access, TokenError};
use crate::intake::push::Intake;
use crate::notify::alert::Alert;
use crate::notify::alertmanager::Target;
use crate::notify::config as router;
use crate::notify::notifier::{self, Destination, Notifier};
use crate::rulebook::{self, Rulebook};
use crate::rules::alert::Notification;
use crate::rules::engine::{Engine, Options, Restore};
use crate::rules::state::{State, StateError};
use crate::rules::template::Environment;
use crate::web::server::{self, Door};
use crate::web::site::Site;
use crate::web::tls::{TlsError, server_config};
use crate::window::Window;

/// Threads beside the sockets' and the rules'.
pub const READERS: usize = 4;
/// From the signal to the end: the kubelet's and systemd's patience is longer.
const GRACE: Duration = Duration::from_secs(4);
/// Of that, for those who are being answered.
const ANSWERING: Duration = Duration::from_secs(1);

/// Why it could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Rules, values or the router's file.
    #[error("{0}")]
    Files(#[from] Problems),
    /// The state of the rules.
    #[error(transparent)]
    State(#[from] StateError),
    /// That of the router.
    #[error(transparent)]
    Router(#[from] crate::notify::state_file::StateError),
    /// Tokens.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener.
    #[error("listen {address}: {source}; choose another address with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system refuses something that everything needs.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Whoever is told, replaced by a reload; nobody if it is not configured.
type Told = Arc<RwLock<Option<Notifier>>>;

/// Signals, heeded from the beginning.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Runs until a signal. `announce` says to people what begins.
pub fn run(loaded: &Loaded, arguments: &Arguments, announce: impl FnOnce(&Rulebook, SocketAddr)) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS + 2)
        .thread_name("reader")
        .build()?;
    let ended = runtime.block_on(begin(loaded, arguments, announce));
    // Whoever still reads the window does so for nobody.
    runtime.shutdown_background();
    ended
}

async fn begin(loaded: &Loaded, arguments: &Arguments, announce: impl FnOnce(&Rulebook, SocketAddr)) -> Result<(), StartError> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
    };
    let config = &loaded.config;
    let book = rulebook::load(&config.rules, &environment(config))?;
    let door = Arc::new(Door::default());
    set_door(&door, config)?;
    let notifier = spawn_notifier(config, destination(config)?)?;
    let (engine, state) = open_engine(config, book.groups.clone())?;
    let window = Arc::new(RwLock::new(Window::new(config.engine.logs, config.engine.memory)));
    let told: Told = Arc::new(RwLock::new(notifier));
    let tell = {
        let told = Arc::clone(&told);
        Box::new(move |notifications: Vec<Notification>| {
            if let Some(notifier) = &*told.read().unwrap_or_else(PoisonError::into_inner) {
                notifier.alerts(notifications.into_iter().map(alert_of).collect());
            }
        })
    };
    let (evaluator, desk) = evaluator(engine, state, Arc::clone(&window), tell);
    // The router's tasks are made within the runtime, whoever tells of alerts is not.
    let handle = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("rules".to_owned()).spawn(move || {
        let _runtime = handle.enter();
        evaluator.run();
    })?;
    let outlet = desk.clone();
    let intake = Arc::new(Intake::new(config.limits, Box::new(move |delivery| outlet.deliver(delivery))));
    let site = Arc::new(Site::new(Arc::clone(&intake), Arc::clone(&window), desk.clone(), Arc::clone(&told)));
    let listen = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    announce(&book, address);
    info!(%address, rules = count(&book), files = book.files, state = %config.state_dir.display(), "listening");
    test_receivers(&told);
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(server::serve(listener, Arc::clone(&door), site, config.limits.connections, stopping));

    let mut current = config.clone();
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => {
                let running = Running { door: &door, intake: &intake, window: &window, desk: &desk, told: &told };
                match running.reload(arguments, &current).await {
                    Ok(config) => current = config,
                    Err(why) => error!(%why, "nothing was changed"),
                }
            }
        }
    }
    let end = async {
        let _ = stop.send(true);
        let _ = tokio::time::timeout(ANSWERING, serving).await;
        // Everything that waits is done before; the queue may be full, so not here.
        let ended = tokio::task::spawn_blocking(move || {
            desk.end();
            thread.join()
        });
        let _ = ended.await;
        let notifier = told.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(notifier) = notifier {
            notifier.stop().await;
        }
    };
    if tokio::time::timeout(GRACE, end).await.is_err() {
        warn!("ended before everything was done: what was not acknowledged will be sent again");
    }
    info!("ended");
    Ok(())
}

/// What a reload changes.
struct Running<'a> {
    door: &'a Door,
    intake: &'a Intake,
    window: &'a RwLock<Window>,
    desk: &'a Desk,
    told: &'a Told,
}

impl Running<'_> {
    /// Reads everything anew; only when all of it is right does any of it count.
    async fn reload(&self, arguments: &Arguments, before: &Config) -> Result<Config, StartError> {
        let config = config::load(arguments)?.config;
        let book = rulebook::load(&config.rules, &environment(&config))?;
        let access = access(&config)?;
        let tls = config.tls.as_ref().map(server_config).transpose()?;
        let destination = destination(&config)?;
        if config.listen != before.listen
            || config.state_dir != before.state_dir
            || config.limits.connections != before.limits.connections
        {
            warn!("`listen`, `state_dir` and `limits.connections` change with a restart only");
        }
        *self.door.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
        *self.door.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        self.intake.set_limits(config.limits);
        self.window.write().unwrap_or_else(PoisonError::into_inner).set_bounds(config.engine.logs, config.engine.memory);
        if !is_same_notify(&config, before) {
            self.renotify(&config, destination).await?;
            test_receivers(self.told);
        }
        let rules = count(&book);
        let options = engine_options(&config);
        let replaced = self.desk.replace(move |engine: &mut Engine| {
            let (known, now) = (engine.snapshot(), clock::now());
            let mut next = Engine::new(book.groups, options, now);
            next.restore(known, now, Restore::Reload);
            *engine = next;
        });
        if replaced.is_err() {
            return Err(
                io::Error::other("the rules are behind: everything else was changed, they were not; send SIGHUP again").into()
            );
        }
        info!(rules, "read anew");
        Ok(config)
    }

    /// Tells by what is configured now. A router goes on with all that it knows.
    async fn renotify(&self, config: &Config, destination: Option<Destination>) -> Result<(), StartError> {
        let old = self.told.read().unwrap_or_else(PoisonError::into_inner).clone();
        let destination = match (&old, destination) {
            (Some(old), Some(Destination::Router(file))) => match old.reconfigure(file, &url_of(config)) {
                Ok(()) => return Ok(()),
                Err(file) => Some(Destination::Router(file)),
            },
            (_, destination) => destination,
        };
        // The old one saves what it knows before the new one reads it. What is told between them is told again within a minute.
        if let Some(old) = old {
            old.stop().await;
        }
        let notifier = spawn_notifier(config, destination)?;
        *self.told.write().unwrap_or_else(PoisonError::into_inner) = notifier;
        Ok(())
    }
}

/// The rules' state, put back.
fn open_engine(config: &Config, groups: Vec<crate::rules::file::Group>) -> Result<(Engine, State), StartError> {
    let (state, records) = State::open(&config.state_dir)?;
    let now = clock::now();
    let mut engine = Engine::new(groups, engine_options(config), now);
    if !records.is_empty() {
        info!(records = records.len(), "state of the rules was put back; sources have what happened meanwhile");
        engine.restore(records, now, Restore::Restart);
    }
    Ok((engine, state))
}

fn engine_options(config: &Config) -> Options {
    Options { external_url: url_of(config), is_journaled: true, ..Options::default() }
}

fn environment(config: &Config) -> Arc<Environment> {
    Arc::new(Environment { external_url: url_of(config), ..Environment::default() })
}

/// Without a slash at its end.
fn url_of(config: &Config) -> String {
    config.external_url.as_str().trim_end_matches('/').to_owned()
}

fn access(config: &Config) -> Result<Access, TokenError> {
    let certificates = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    Access::new(&config.tokens, certificates, config.external_url.host_str())
}

fn set_door(door: &Door, config: &Config) -> Result<(), StartError> {
    *door.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access(config)?);
    *door.tls.write().unwrap_or_else(PoisonError::into_inner) = config.tls.as_ref().map(server_config).transpose()?;
    Ok(())
}

/// A router's file may have changed under its old name.
fn is_same_notify(config: &Config, before: &Config) -> bool {
    config.notify == before.notify
        && config.external_url == before.external_url
        && !matches!(config.notify, checked::Notify::Router(_))
}

fn destination(config: &Config) -> Result<Option<Destination>, StartError> {
    Ok(match &config.notify {
        checked::Notify::Nobody => None,
        checked::Notify::Alertmanagers(urls) => Some(Destination::Alertmanagers(urls.iter().cloned().map(Target::at).collect())),
        checked::Notify::Router(path) => Some(Destination::Router(Box::new(router::load(path)?))),
    })
}

fn spawn_notifier(config: &Config, destination: Option<Destination>) -> Result<Option<Notifier>, StartError> {
    let Some(destination) = destination else { return Ok(None) };
    let options = notifier::Options { state_dir: config.state_dir.clone(), external_url: url_of(config) };
    Ok(Some(notifier::spawn(destination, &options)?))
}

/// Whether people can be reached is said at the start, not when it is needed.
fn test_receivers(told: &Told) {
    let notifier = told.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(notifier) = notifier else { return };
    tokio::spawn(async move {
        for (receiver, outcome) in notifier.send_test().await {
            match outcome {
                Ok(()) => info!(receiver, "can be reached"),
                Err(why) => warn!(receiver, why, "cannot be reached now; notifications for it are kept and tried again"),
            }
        }
    });
}

fn count(book: &Rulebook) -> usize {
    book.groups.iter().map(|group| group.rules.len()).sum()
}

fn alert_of(notification: Notification) -> Alert {
    Alert {
        labels: notification.labels,
        annotations: notification.annotations,
        starts_at: notification.starts_at,
        ends_at: notification.ends_at,
        generator_url: notification.generator_url,
    }
}
