//! Logs: structured lines on stderr, for people or for machines.

use std::io::{IsTerminal, stderr};

use log::{Log, Metadata, Record};
use tracing::{Subscriber, level_filters::LevelFilter, subscriber::set_global_default};
use tracing_log::{AsLog, LogTracer};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// Targets that are left out whatever the plain level, because each request of a stranger would write an ERROR line: one that
/// is malformed, and one that finds no connection to the database (we log that ourselves, throttled).
/// In two parts, because this room knows nothing of the crates but the names of their lines.
const FOR_STRANGERS: [(&str, &str); 2] =
    [(concat!("actix_http", "::h1::dispatcher"), "off"), (concat!("sqlx_core", "::pool::inner"), "off")];

/// What is left out at the plain level "info", which means what this house has to say: these would repeat it in their words.
const AT_INFO: [(&str, &str); 2] = [("actix_server", "warn"), ("refinery_core", "warn")];

/// Starts logging. Called once, by the command line.
///
/// # Errors
/// Where something else logs already, or the directives cannot be read.
pub fn start(format: LogFormat, directives: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(with_ours(directives))?;
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // What cannot be logged must not stop what was to be logged: by default a failed line is reported on stderr, which
    // panics where that is what failed, after the change was committed and before it was answered.
    let lines = fmt().with_env_filter(filter).with_writer(stderr).with_ansi(colours).log_internal_errors(false);
    let lines: Box<dyn Subscriber + Send + Sync> = match format {
        LogFormat::Text => Box::new(lines.finish()),
        // The list of spans would repeat the current one, and the request's id in it.
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_span_list(false).finish()),
    };
    set_global_default(lines)?;
    log::set_boxed_logger(Box::new(WithoutPaths(LogTracer::new())))?;
    log::set_max_level(LevelFilter::current().as_log());
    Ok(())
}

/// The operator's directives, and ours where theirs do not speak of the same.
fn with_ours(directives: &str) -> String {
    let parts: Vec<&str> = directives.split(',').map(str::trim).collect();
    let named: Vec<&str> =
        parts.iter().filter_map(|part| part.split(['=', '[']).next().filter(|n| n != part)).collect();
    let is_info = parts.iter().any(|part| part.eq_ignore_ascii_case("info"));
    let ours = FOR_STRANGERS.iter().chain(if is_info { &AT_INFO[..] } else { &[] });
    let ours = ours.filter(|(target, _)| !named.iter().any(|name| target.starts_with(name)));
    let ours = ours.map(|(target, level)| format!("{target}={level}"));
    ours.chain(parts.iter().map(|part| (*part).to_owned())).collect::<Vec<_>>().join(",")
}

/// Hands on the lines of those who use the `log` crate, without the path of their source on the machine that built this.
struct WithoutPaths(LogTracer);

impl Log for WithoutPaths {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let mut without = Record::builder();
        self.0.log(&without.metadata(record.metadata().clone()).args(*record.args()).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plain_level_leaves_out_lines_by_strangers() {
        for level in ["error", "warn", "debug", "trace"] {
            assert_eq!(with_ours(level), format!("actix_http::h1::dispatcher=off,sqlx_core::pool::inner=off,{level}"));
        }
        for level in ["info", "INFO"] {
            assert_eq!(
                with_ours(level),
                format!(
                    "actix_http::h1::dispatcher=off,sqlx_core::pool::inner=off,actix_server=warn,refinery_core=warn,{level}"
                )
            );
        }
        assert_eq!(
            with_ours("debug, tokensmith=trace"),
            "actix_http::h1::dispatcher=off,sqlx_core::pool::inner=off,debug,tokensmith=trace"
        );
    }

    #[test]
    fn a_directive_of_the_operator_wins_over_ours() {
        for directives in [
            "debug,actix_http=trace",
            "debug,actix_http::h1::dispatcher=error",
            "debug,actix_http[request]=trace",
            "warn,actix_http::h1=info",
        ] {
            assert_eq!(with_ours(directives), format!("sqlx_core::pool::inner=off,{directives}"));
        }
        assert_eq!(
            with_ours("info,actix_server=info"),
            "actix_http::h1::dispatcher=off,sqlx_core::pool::inner=off,refinery_core=warn,info,actix_server=info"
        );
        for directives in ["debug,sqlx=trace", "debug,sqlx_core::pool=error"] {
            assert_eq!(with_ours(directives), format!("actix_http::h1::dispatcher=off,{directives}"));
        }
    }
}
