//! The log of the whole test run, at level trace, in one file, so that it can be searched for secrets; and what one test
//! listens to.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    sync::{Arc, Mutex, OnceLock},
};

use tracing::subscriber::DefaultGuard;
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

/// The warnings and errors that this thread logs for as long as it is kept: in a test on one thread, all but those of
/// the HTTP workers.
pub struct Heard {
    said: Arc<Mutex<Vec<u8>>>,
    _listening: DefaultGuard,
}

impl Heard {
    pub fn listen() -> Self {
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let lines = fmt().with_max_level(LevelFilter::WARN).with_ansi(false).with_writer({
            let said = said.clone();
            move || Said(said.clone())
        });
        Self { said, _listening: tracing::subscriber::set_default(lines.finish()) }
    }

    /// The lines with that text in them.
    pub fn lines(&self, text: &str) -> Vec<String> {
        let said = String::from_utf8(self.said.lock().unwrap().clone()).unwrap();
        said.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
