//! `tokensmith serve`

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, bootstrap, catalogue, keys, store};
use crate::{
    config::Config,
    domain::Name,
    error::{Error, Field},
    http::{self, Settings},
};

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// On an empty database, first create a root project with this name, and a token with the permission "management".
    ///
    /// On a terminal both are printed, with a curl command. Elsewhere they are written to bootstrap.json beside the
    /// database (in the working directory with Postgres), which only its owner can read, and the file's path is printed.
    /// On a database with a project this does nothing.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "Default project")]
    bootstrap: Option<String>,
    /// Listen on this address, whatever server.bind is in the configuration.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) bind: Option<String>,
}

pub(super) async fn run(args: ServeArgs, config: &Config) -> Result<ExitCode, Failure> {
    // What the command line itself gets wrong is said before anything is made.
    let first_name = args.bootstrap.as_deref().map(Name::parse).transpose();
    let first_name = first_name.map_err(|problem| Error::invalid(Field::Name, problem))?;
    // The signals are taken first: one that comes during the start ends it in good order as well.
    let (mut terminate, mut interrupt) = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)))
        .map_err(|error| Failure::Refused(format!("signals cannot be waited for: {error}")))?;

    allow_many_connections();
    keys::assert_configured(config)?;

    for migration in store::bring_up(config).await? {
        tracing::info!(%migration, "migration applied");
    }
    let store = store::open_store(config).await?;
    store::warn_of_open_modes(config);
    catalogue::keep(config, &*store).await?;
    let keys = keys::provide(config, &*store).await?;
    let service = Arc::new(store::service(config, store.clone(), &keys)?);
    // Before anything is made that could not be used: the address may be taken.
    let bind = config.server.bind;
    let listener =
        TcpListener::bind(bind).map_err(|error| Failure::Refused(format!("cannot listen on {bind}: {error}")))?;
    let address = listener.local_addr().unwrap_or(bind);
    let base_url = match config.server.public_url.as_str() {
        "" => format!("http://{}", reachable(address)),
        url => url.to_owned(),
    };
    if let Some(name) = first_name {
        bootstrap::run(&service, config, name, &base_url).await?;
    }

    tracing::info!(%address, url = %base_url, database = %config.database.url, version = env!("CARGO_PKG_VERSION"), "serving");
    let shutdown = async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "signal received");
    };
    let watch = service.watch();
    let served = http::serve(listener, service.clone(), settings(config), shutdown).await;
    drop(watch);
    store.close().await;
    served.map_err(|error| Failure::Refused(format!("serving failed: {error}")))?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
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
        shutdown_timeout: server.shutdown_timeout.get(),
        public_url: server.public_url.clone(),
        trusted_proxies: server.trusted_proxies.clone(),
        region_preference: config.signalwire.region_preference.as_str().to_owned(),
    }
}
