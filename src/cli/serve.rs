//! `tokensmith serve`

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    process::{self, ExitCode},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::sleep,
};

use super::{Failure, bootstrap, catalogue, keys, store};
use crate::{
    config::{Config, DatabaseUrl},
    domain::Name,
    error::{Error, Field},
    http::{self, Settings},
    service::Service,
    store::{Store, postgres},
};

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// On an empty database, first create a root project with this name, and a token with the permission "management".
    ///
    /// On a terminal both are printed, with two lines to copy into another terminal. Elsewhere they are written to bootstrap.json beside the
    /// database (in the working directory with Postgres), which only its owner can read, and the file's path is printed.
    /// On a database with a project this does nothing.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "Default project")]
    bootstrap: Option<String>,
    /// Listen on this address, whatever server.bind is in the configuration.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) bind: Option<String>,
}

/// Serves until a signal. A second one ends it at once.
pub(super) async fn run(args: ServeArgs, config: &Config) -> Result<ExitCode, Failure> {
    // What the command line itself gets wrong is said before anything is made.
    let first_name = args.bootstrap.as_deref().map(Name::parse).transpose();
    let first_name = first_name.map_err(|problem| Error::invalid(Field::Name, problem))?;
    // The signals are taken first: one that comes during the start ends it in good order as well.
    let mut signals = Signals::take()?;
    let started = tokio::select! {
        started = start(first_name, config) => started?,
        signal = signals.next() => {
            tracing::info!(signal = signal.name, "signal received");
            tracing::info!("stopped before serving");
            return Ok(ExitCode::SUCCESS);
        }
    };

    let (stop, stopped) = oneshot::channel::<()>();
    let ended_at_once = async {
        let signal = signals.next().await;
        tracing::info!(signal = signal.name, "signal received");
        drop(stop);
        signals.next().await
    };
    tokio::select! {
        served = serve(started, config, stopped) => served.map(|()| ExitCode::SUCCESS),
        signal = ended_at_once => {
            tracing::warn!(signal = signal.name, "a second signal: ending at once, and cutting off what is under way");
            process::exit(signal.exit_code())
        }
    }
}

/// A service on an open store, and where it listens.
struct Started {
    listener: TcpListener,
    service: Arc<Service>,
    store: Arc<dyn Store>,
}

async fn start(first_name: Option<Name>, config: &Config) -> Result<Started, Failure> {
    allow_many_connections();
    keys::assert_configured(config)?;
    if let DatabaseUrl::Postgres(connect) = &config.database.url
        && postgres::is_overheard(connect)
    {
        tracing::warn!(
            database = %config.database.url,
            "the connection to Postgres can be overheard or answered by others on the network; add sslmode=verify-full to database.url"
        );
    }

    for migration in store::bring_up(config).await? {
        tracing::info!(%migration, "migration applied");
    }
    catalogue::keep(config).await?;
    let store = store::open_store(config).await?;
    store::warn_of_open_modes(config);
    let keys = keys::provide(config, &*store).await?;
    let service = Arc::new(store::service(config, store.clone(), &keys)?);
    // Before anything is made that could not be used: the address may be taken.
    let bind = config.server.bind;
    let listener = TcpListener::bind(bind).map_err(|error| {
        Failure::Refused(format!(
            "cannot listen on {bind}: {error}; free the address, or choose another with --bind ADDRESS:PORT"
        ))
    })?;
    let address = listener.local_addr().unwrap_or(bind);
    let base_url = match config.server.public_url.as_str() {
        "" => format!("http://{}", reachable(address)),
        url => url.to_owned(),
    };
    if is_unreachable(process::id(), address) {
        tracing::warn!(
            %address,
            "nobody outside this container can reach a loopback address; set server.bind to 0.0.0.0:{}, and server.insecure_bind to true",
            address.port()
        );
    }
    if let Some(name) = first_name {
        bootstrap::run(&service, config, name, &base_url).await?;
    }
    tracing::info!(%address, url = %base_url, database = %config.database.url, version = env!("CARGO_PKG_VERSION"), "serving");
    Ok(Started { listener, service, store })
}

async fn serve(started: Started, config: &Config, stopped: oneshot::Receiver<()>) -> Result<(), Failure> {
    let Started { listener, service, store } = started;
    let watch = service.watch();
    let stopped = async {
        // The signal drops the other end.
        let _dropped = stopped.await;
    };
    let served = tokio::select! {
        served = http::serve(listener, service.clone(), settings(config), stopped) => served,
        never = log_what_is_due(&service) => match never {},
    };
    drop(watch);
    store.close().await;
    service.log_rest();
    served.map_err(|error| Failure::Refused(format!("serving failed: {error}")))?;
    tracing::info!("stopped");
    Ok(())
}

/// Writes the lines about what was counted.
async fn log_what_is_due(service: &Service) -> Infallible {
    loop {
        sleep(Duration::from_secs(1)).await;
        service.log_due();
    }
}

/// What a supervisor or somebody at a terminal ends a server with.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

struct Received {
    name: &'static str,
    number: i32,
}

impl Signals {
    fn take() -> Result<Self, Failure> {
        let take =
            |kind| signal(kind).map_err(|error| Failure::Refused(format!("signals cannot be waited for: {error}")));
        Ok(Self { terminate: take(SignalKind::terminate())?, interrupt: take(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Received {
        let (name, kind) = tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
        };
        Received { name, number: kind.as_raw_value() }
    }
}

impl Received {
    /// As a shell shows it: 130 for SIGINT, 143 for SIGTERM.
    fn exit_code(&self) -> i32 {
        128 + self.number
    }
}

/// Whether this is the first process of a container, and listens where only that container is.
fn is_unreachable(process: u32, address: SocketAddr) -> bool {
    process == 1 && address.ip().to_canonical().is_loopback()
}

/// Takes as many file descriptors as the system allows: the usual soft limit, 1,024, is that of programs which use
/// select(2), and each connection takes two.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// An address to connect to, where the one listened on means all.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn settings(config: &Config) -> Settings {
    let server = &config.server;
    Settings {
        workers: if server.workers == 0 { store::cores() } else { server.workers },
        header_timeout: server.header_timeout.get(),
        body_timeout: server.body_timeout.get(),
        body_bytes: config.limits.body_bytes,
        keep_alive: server.keep_alive.get(),
        max_connections: server.max_connections,
        drain: server.drain.get(),
        shutdown_timeout: server.shutdown_timeout.get(),
        public_url: server.public_url.clone(),
        trusted_proxies: server.trusted_proxies.clone(),
        region_preference: config.signalwire.region_preference.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_process_of_a_container_can_be_out_of_reach() {
        let loopback: Vec<SocketAddr> =
            ["127.0.0.1:8080", "[::1]:8080", "[::ffff:127.0.0.1]:8080"].map(|text| text.parse().unwrap()).to_vec();
        let others: Vec<SocketAddr> =
            ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:80"].map(|text| text.parse().unwrap()).to_vec();

        assert!(loopback.iter().all(|address| is_unreachable(1, *address)));
        assert!(!loopback.iter().any(|address| is_unreachable(2, *address)));
        assert!(!others.iter().any(|address| is_unreachable(1, *address)));
    }
}
