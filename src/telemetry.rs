//! Logs: structured lines on stderr, for people or for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// Plain "info" means what this house has to say; these two would repeat it in their own words.
const INFO: &str = "info,actix_server=warn,refinery_core=warn";

/// Starts logging. Called once, by the command line.
///
/// # Errors
/// Where something else logs already, or the directives cannot be read.
pub fn start(format: LogFormat, directives: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(if directives == "info" { INFO } else { directives })?;
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // What cannot be logged must not stop what was to be logged: by default a failed line is reported on stderr, which
    // panics where that is what failed, after the change was committed and before it was answered.
    let lines = fmt().with_env_filter(filter).with_writer(stderr).with_ansi(colours).log_internal_errors(false);
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
}
