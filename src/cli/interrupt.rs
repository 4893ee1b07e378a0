//! Work that is stopped by Ctrl-C or SIGTERM in good order, and shows how far it is.

use std::{
    fs,
    io::{IsTerminal, Write, stderr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::Failure;

/// The signals that stop this process. They are taken before there is anything to clean up.
pub(super) struct Interrupt {
    sigterm: Signal,
    sigint: Signal,
    /// Set once one has come.
    pub(super) stop: Arc<AtomicBool>,
}

impl Interrupt {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = || Ok::<_, std::io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
        let (sigterm, sigint) =
            listen().map_err(|error| Failure::Refused(format!("cannot wait for signals: {error}")))?;
        Ok(Self { sigterm, sigint, stop: Arc::default() })
    }

    /// Runs work that ends soon after `stop` is set.
    pub(super) async fn stops<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = self.sigterm.recv() => {}
                _ = self.sigint.recv() => {}
            }
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs work that writes a file, and shows on a terminal how much of it is written.
pub(super) async fn with_progress<T>(what: &str, file: &Path, most: u64, work: impl Future<Output = T>) -> T {
    const EVERY: Duration = Duration::from_millis(200);
    tokio::pin!(work);
    if !stderr().is_terminal() {
        return work.await;
    }
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut work => {
                // Back to the start of the line, and erase it.
                say("\r\u{1b}[K");
                return done;
            }
            _ = ticks.tick() => {
                let written = fs::metadata(file).map_or(0, |found| found.len());
                let percent = (written * 100).checked_div(most).unwrap_or(0).min(100);
                say(&format!("\r{what}: {percent} %"));
            }
        }
    }
}

fn say(text: &str) {
    let mut stderr = stderr();
    let _gone = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
