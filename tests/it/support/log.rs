//! The log of the whole test run, at level trace, in one file, so that it can be searched for secrets.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    sync::{Mutex, OnceLock},
};

use tracing_subscriber::{filter::LevelFilter, fmt};

static LOG: OnceLock<Option<Mutex<File>>> = OnceLock::new();

/// Sends every log line of this process to the file that `TOKENSMITH_TEST_LOG` names, if it names one.
pub fn log() {
    if let Some(Some(_)) = LOG.get() {
        return;
    }
    let file = LOG.get_or_init(|| {
        let path = std::env::var_os("TOKENSMITH_TEST_LOG")?;
        Some(Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap()))
    });
    if file.is_some() {
        let _already = fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).with_writer(|| Line).try_init();
    }
}

/// Adds a line of another process.
pub fn append(line: &str) {
    log();
    let _none = writeln!(Line, "{line}");
}

struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(Some(file)) = LOG.get() {
            file.lock().unwrap().write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
