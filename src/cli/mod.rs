//! The command line. Results go to stdout, logs and complaints to stderr. Exit codes: 0 done; 1 refused, not
//! found, invalid, or the store is away; 2 a wrong command line or configuration.
//!
//! This is the only room that opens a concrete store. A person who can run it with the store's address owns the store,
//! so it asks for no credential.

mod args;
mod backup;
mod bodies;
mod bootstrap;
mod catalogue;
mod draft;
mod health;
mod interrupt;
mod keys;
mod lookup;
mod manual;
mod output;
mod project;
mod restore;
mod restored_key;
mod serve;
mod store;
mod terminal;
mod token;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{Config, LogFormat, Overrides},
    domain::Secret,
    error::Error,
    store::advice,
    telemetry,
};

/// Issue scoped API tokens for projects and subprojects, and check them.
///
/// Start with `tokensmith serve --bootstrap`. It makes a database in ./data, a first project and a management token, and
/// serves on 127.0.0.1:8080.
#[derive(Debug, Parser)]
#[command(name = "tokensmith", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_long_help = manual::ROOT)]
struct Cli {
    #[command(flatten)]
    sources: ConfigArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct ConfigArgs {
    /// Read this configuration file over the defaults.
    #[arg(long, global = true, value_name = "FILE", env = "TOKENSMITH_CONFIG")]
    config: Option<PathBuf>,
    /// Set one key of the configuration, over file and environment: --set server.bind=127.0.0.1:9000.
    ///
    /// Not for secrets: other users of the machine can see a command line. Use the environment or a file for them.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Migrate the database to this version's schema, then serve the APIs.
    #[command(after_long_help = manual::SERVE)]
    Serve(serve::ServeArgs),
    /// Migrate the database to this version's schema.
    ///
    /// Makes a missing SQLite file. Processes that migrate at once take turns.
    #[command(after_long_help = manual::MIGRATE)]
    Migrate,
    /// Copy the SQLite database to a file, while servers go on.
    ///
    /// The copy is the database at one moment: it has everything that was answered before the command began. It is checked
    /// before it gets its name. Do not copy the file of a running server in another way: its last changes are in a second
    /// file, and it may change while it is read. Postgres has pg_dump.
    #[command(after_long_help = manual::BACKUP)]
    Backup(backup::BackupArgs),
    /// Replace the SQLite database by a copy that 'backup' made. Stop the server first.
    ///
    /// It shows what it replaces, and asks. The replaced database stays beside the new one, with .before-restore- and the
    /// time behind its name. FILE.key is restored with it, where 'backup --with-key' made one. Tokens that were revoked since
    /// the copy was made are valid again: they are listed. A copy of an older version is migrated by the next start.
    #[command(after_long_help = manual::RESTORE)]
    Restore(restore::RestoreArgs),
    /// Create, list, show, rename and delete projects.
    #[command(subcommand, after_long_help = manual::PROJECT)]
    Project(project::ProjectCommand),
    /// Issue, list, show, update, revoke and verify tokens.
    #[command(subcommand, after_long_help = manual::TOKEN)]
    Token(token::TokenCommand),
    /// Check the configuration.
    #[command(subcommand, after_long_help = manual::CONFIG)]
    Config(ConfigCommand),
    /// Print the OpenAPI 3.1 document of this version's API.
    #[command(after_long_help = manual::OPENAPI)]
    Openapi,
    /// Generate a server key (server.key).
    ///
    /// The keys that seal what the database keeps are derived from it. On SQLite `serve` generates one itself, in a file
    /// beside the database. On Postgres all nodes share one: generate it with `tokensmith keygen server.key`, and give
    /// each node the path of the file as TOKENSMITH_SERVER__KEY_FILE.
    #[command(after_long_help = manual::KEYGEN)]
    Keygen(keys::KeygenArgs),
    /// Ask a running server on this machine whether it is ready. For health checks of containers.
    #[command(after_long_help = manual::HEALTHCHECK)]
    Healthcheck(health::HealthArgs),
    /// Print a script that completes commands and flags in a shell.
    #[command(after_long_help = manual::COMPLETIONS)]
    Completions(manual::CompletionsArgs),
    /// Write man pages, one for each command, to a directory.
    #[command(after_long_help = manual::MAN)]
    Man(manual::ManArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check the configuration, and print it as it takes effect. Secrets are hidden.
    #[command(after_long_help = manual::CONFIG)]
    Check,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1.
    Refused(String),
    /// Exit code 2.
    Misused(String),
}

impl Failure {
    /// What it says, and the exit code.
    fn parts(self) -> (String, u8) {
        match self {
            Self::Refused(why) => (why, 1),
            Self::Misused(why) => (why, 2),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // Here the operator is asking: the cause is for them.
        Self::Refused(match &error {
            Error::StoreAway(cause) | Error::Internal(cause) if advice(&**cause).is_some() => explained(&**cause),
            Error::StoreAway(cause) | Error::OutcomeUnknown(cause) => format!("{error}: {cause}"),
            // The log of a server has it under the request's id; here it is the answer.
            Error::Internal(cause) => cause.to_string(),
            // A client is not told which key of the configuration limits it.
            Error::TokenLimitReached { .. } => format!("{error}, or raise limits.tokens_per_project"),
            Error::SubprojectLimitReached { .. } => format!("{error}, or raise limits.subprojects_per_project"),
            _ => error.to_string(),
        })
    }
}

/// An error, and what the operator can do about it.
pub(super) fn explained(error: &(dyn std::error::Error + 'static)) -> String {
    match advice(error) {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    let (why, code) = match run(cli) {
        Ok(code) => return code,
        Err(failure) => failure.parts(),
    };
    // It may repeat what was typed.
    output::complain_error(&Secret::redact(&why));
    ExitCode::from(code)
}

/// Prints the parser's error, which repeats what was typed, or the help that was asked for.
fn misread(error: &clap::Error) -> ExitCode {
    let said = error.to_string();
    let redacted = Secret::redact(&said);
    let redacted = terminal::visible_lines(&redacted);
    if redacted == said {
        let _gone = error.print();
    } else {
        output::complain(redacted.trim_end());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    // They describe this program, whatever the configuration is.
    match &cli.command {
        Command::Completions(args) => return manual::completions(args),
        Command::Man(args) => return manual::man(args),
        _ => {}
    }
    let mut flags = cli.sources.set;
    if let Command::Serve(serve) = &cli.command {
        flags.extend(serve.bind.iter().map(|bind| ("server__bind".to_owned(), bind.clone())));
    }
    let overrides = Overrides { file: cli.sources.config, environment: environment()?, flags };
    let config = Config::load(&overrides).map_err(|error| Failure::Misused(error.to_string()))?;
    telemetry::start(config.log.format, directives(&cli.command, &config))
        .map_err(|error| Failure::Misused(format!("logging cannot start: {error}")))?;

    match cli.command {
        Command::Serve(args) => block_on(serve::run(args, &config)).or_else(|failure| in_log(failure, &config)),
        Command::Migrate => block_on(store::migrate(&config)),
        Command::Backup(args) => block_on(backup::run(args, &config)),
        Command::Restore(args) => block_on(restore::run(args, &config)),
        Command::Project(command) => block_on(project::run(command, &config)),
        Command::Token(command) => block_on(token::run(command, &config)),
        Command::Config(ConfigCommand::Check) => output::print_again(&config.to_toml()).map(|()| ExitCode::SUCCESS),
        Command::Openapi => {
            output::print_again(&crate::http::openapi::json(&config.permissions.catalogue)).map(|()| ExitCode::SUCCESS)
        }
        Command::Keygen(args) => keys::keygen(&args),
        Command::Healthcheck(args) => health::run(&args, &config),
        Command::Completions(_) | Command::Man(_) => unreachable!("they returned above"),
    }
}

/// A command other than `serve` prints its result on stdout. Its log would only repeat that, unless a level is asked for.
fn directives<'c>(command: &Command, config: &'c Config) -> &'c str {
    let is_serve = matches!(command, Command::Serve(_));
    if is_serve || config.log.is_level_said { config.log.level.as_str() } else { "warn" }
}

/// Says why a server failed where machines read its log: there, as one more object.
fn in_log(failure: Failure, config: &Config) -> Result<ExitCode, Failure> {
    if config.log.format == LogFormat::Text || !tracing::enabled!(tracing::Level::ERROR) {
        return Err(failure);
    }
    let (why, code) = failure.parts();
    tracing::error!("{}", Secret::redact(&why));
    Ok(ExitCode::from(code))
}

fn environment() -> Result<Vec<(String, String)>, Failure> {
    std::env::vars_os()
        .filter(|(key, _)| key.as_encoded_bytes().starts_with(b"TOKENSMITH_"))
        .map(|(key, value)| match (key.into_string(), value.into_string()) {
            (Ok(key), Ok(value)) => Ok((key, value)),
            (key, _) => Err(Failure::Misused(format!(
                "the environment variable {} is not valid UTF-8",
                key.unwrap_or_else(|key| key.to_string_lossy().into_owned())
            ))),
        })
        .collect()
}

fn block_on(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    // The door's workers have runtimes of their own; this one keeps the database connections and waits for signals.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Refused(format!("the runtime cannot start: {error}")))?;
    let done = runtime.block_on(work);
    // A look-up of a name that nobody answers would hold up the end.
    runtime.shutdown_background();
    done
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.replace('.', "__"), value.to_owned())),
        _ => Err("write KEY=VALUE, as in server.bind=127.0.0.1:9000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
