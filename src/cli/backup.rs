//! `tokensmith backup`

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Args;
use serde::Serialize;

use super::{
    Failure,
    draft::Draft,
    interrupt::{Interrupt, with_progress},
    keys, output, store,
};
use crate::{
    config::{Config, DatabaseUrl},
    service::Key,
    store::copies::{self, Contents, CopyError},
};

#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// The new file. Only its owner can read it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Copy the server's key as well, to FILE.key. Keep that apart from FILE.
    #[arg(long)]
    with_key: bool,
    /// Replace FILE if it exists, once the new copy is whole.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was made.
#[derive(Serialize)]
struct BackupBody {
    file: String,
    key_file: Option<String>,
    bytes: u64,
    schema: i32,
    projects: u64,
    tokens: u64,
    duration_ms: u64,
}

pub(super) async fn run(args: BackupArgs, config: &Config) -> Result<ExitCode, Failure> {
    let database = match &config.database.url {
        DatabaseUrl::Sqlite(path) => path,
        url @ DatabaseUrl::Postgres(_) => {
            return Err(Failure::Misused(format!(
                "the database is on Postgres, which has its own tool; run: pg_dump --format=custom --no-owner --file='{}' \
                 '{url}' (with the password in PGPASSWORD), and copy the server's key yourself",
                args.file.display()
            )));
        }
    };
    store::assert_there(database)?;
    assert_free(&args.file, database, args.force)?;
    let began = Instant::now();
    let key = if args.with_key { key_to_copy(config, database)? } else { None };
    let key_file = keys::beside(&args.file);
    if key.is_some() {
        assert_free(&key_file, database, args.force)?;
    }

    let (draft, contents) = write(&args.file, database).await?;
    let refuse = |path: &Path, error: &std::io::Error| {
        let why = if error.kind() == ErrorKind::AlreadyExists { taken(path) } else { unwritten(path, error) };
        Failure::Refused(why)
    };
    let bytes = fs::metadata(draft.path()).map_err(|error| refuse(&args.file, &error))?.len();
    // The key first: where the database is there, the backup is whole.
    let key_draft = key.as_ref().map(|key| keys::draft(&key_file, key)).transpose();
    let key_draft = key_draft.map_err(|error| refuse(&key_file, &error))?;
    if let Some(key_draft) = key_draft {
        key_draft.publish(&key_file, args.force).map_err(|error| refuse(&key_file, &error))?;
    }
    if let Err(error) = draft.publish(&args.file, args.force) {
        if key.is_some() && !args.force {
            let _stays = fs::remove_file(&key_file);
        }
        return Err(refuse(&args.file, &error));
    }

    let took = began.elapsed();
    let body = BackupBody {
        file: args.file.display().to_string(),
        key_file: key.is_some().then(|| key_file.display().to_string()),
        bytes,
        schema: contents.schema,
        projects: contents.projects,
        tokens: contents.tokens,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    if args.json {
        output::print(output::json(&body))?;
    } else {
        output::print(lines(&body, database, took.as_secs_f64()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(body: &BackupBody, database: &Path, seconds: f64) -> String {
    let copied = format!(
        "copied {} to {}: {}, {}, {} bytes, in {seconds:.1} s",
        database.display(),
        body.file,
        counted(body.projects, "project"),
        counted(body.tokens, "token"),
        body.bytes
    );
    match &body.key_file {
        Some(key) => format!("{copied}\ncopied the server's key to {key}; keep it apart from the database"),
        None => copied,
    }
}

/// A number of things, in words.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Writes the copy and judges it.
async fn write(file: &Path, database: &Path) -> Result<(Draft, Contents), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let stop = interrupt.stop.clone();
    let draft = Draft::beside(file).map_err(|error| Failure::Refused(unwritten(file, &error)))?;
    // About as much as there will be.
    let most = fs::metadata(database).map_or(0, |found| found.len());
    let work = async {
        let copying = copies::copy(database, draft.path(), &stop);
        with_progress("copying", draft.path(), most, copying).await?;
        draft.sync()?;
        with_progress("checking", draft.path(), most, copies::inspect(draft.path(), &stop)).await
    };
    let contents = interrupt.stops(work).await.map_err(|error| {
        Failure::Refused(match error {
            CopyError::Interrupted => format!("interrupted; {} was not written", file.display()),
            error => format!("cannot copy {} to {}: {error}; nothing was written", database.display(), file.display()),
        })
    })?;
    Ok((draft, contents))
}

/// Asks whether the file can be made, before anything is copied.
fn assert_free(file: &Path, database: &Path, force: bool) -> Result<(), Failure> {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return Err(Failure::Refused(format!(
            "the directory {} does not exist; make it first, or name another file",
            directory.display()
        )));
    }
    let Ok(found) = fs::metadata(file) else { return Ok(()) };
    if found.is_dir() {
        return Err(Failure::Refused(format!("{} is a directory; name a file in it", file.display())));
    }
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    if fs::metadata(database).is_ok_and(|database| identity(&database) == identity(&found)) {
        return Err(Failure::Refused(format!("{} is the database itself; name another file", file.display())));
    }
    if force { Ok(()) } else { Err(Failure::Refused(taken(file))) }
}

fn taken(file: &Path) -> String {
    format!("{} exists already; name another file, or add --force to replace it", file.display())
}

fn unwritten(file: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}; nothing was written", file.display())
}

/// The key beside the database; `None` where it is in the configuration.
fn key_to_copy(config: &Config, database: &Path) -> Result<Option<Key>, Failure> {
    if config.server.key.bytes().is_some() {
        output::complain(
            "the server's key is in the configuration (server.key), so it is not copied; keep a copy of it",
        );
        return Ok(None);
    }
    keys::read(&keys::beside(database)).map(Some)
}
