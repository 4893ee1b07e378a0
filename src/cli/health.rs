//! `tokensmith healthcheck`

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use super::{Failure, output, serve::reachable};
use crate::config::Config;

#[derive(Args, Debug)]
pub(super) struct HealthArgs {
    /// Wait at most this long until the server is ready: 10s, 500ms. Without it, ask once.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
}

pub(super) fn run(args: &HealthArgs, config: &Config) -> Result<ExitCode, Failure> {
    const PAUSE: Duration = Duration::from_millis(100);
    let url = format!("http://{}/readyz", reachable(config.server.bind));
    let began = Instant::now();
    let wait = args.wait.unwrap_or_default();
    loop {
        let Err(error) = ask(&url) else {
            output::print("ready")?;
            return Ok(ExitCode::SUCCESS);
        };
        let left = wait.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(Failure::Refused(format!("{url} does not answer that it is ready: {error}")));
        }
        thread::sleep(left.min(PAUSE));
    }
}

fn ask(url: &str) -> Result<(), Box<ureq::Error>> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).proxy(None).build().into();
    agent.get(url).call().map(|_| ()).map_err(Box::new)
}
