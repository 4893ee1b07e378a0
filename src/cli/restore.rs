//! `tokensmith restore`

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::Args;
use serde::Serialize;

use super::{
    Failure, args::confirm_with, backup::counted, draft::Draft, interrupt::Interrupt, output, restored_key::KeyPlan,
    terminal::visible,
};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    config::{Config, DatabaseUrl},
    store::{
        copies::{self, Contents, CopyError, Difference},
        replace::{ReplaceError, Replacing},
    },
};

/// How many tokens are named to a person.
const NAMED: usize = 20;

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// A file that `tokensmith backup` made. It stays as it is.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Do not keep the replaced database.
    #[arg(long)]
    discard: bool,
    /// Keep the server's key as it is, also where FILE.key exists.
    #[arg(long)]
    without_key: bool,
    /// Print JSON, with every token that is valid again.
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Serialize)]
struct RestoreBody {
    database: String,
    file: String,
    schema: i32,
    projects: u64,
    tokens: u64,
    kept: Option<String>,
    kept_key: Option<String>,
    /// Tokens that were revoked since the copy was made, and are valid again.
    revived: Vec<RevivedBody>,
    /// Tokens that have permissions again which were changed since.
    changed: Vec<String>,
    /// How many tokens that were issued since are gone.
    gone: u64,
}

#[derive(Serialize)]
struct RevivedBody {
    id: String,
    name: String,
    project_id: String,
}

/// The database that is to be replaced.
struct Present {
    contents: Contents,
    difference: Difference,
}

pub(super) async fn run(args: RestoreArgs, config: &Config) -> Result<ExitCode, Failure> {
    let database = match &config.database.url {
        DatabaseUrl::Sqlite(path) => path,
        url @ DatabaseUrl::Postgres(_) => {
            return Err(Failure::Misused(format!(
                "the database is on Postgres, which has its own tool; stop the servers, rename the database to keep it, \
                 create a new one, and run: pg_restore --no-owner --exit-on-error --dbname='{url}' '{}' (with the \
                 password in PGPASSWORD)",
                args.file.display()
            )));
        }
    };
    let file = args.file.as_path();
    assert_restorable(file, database)?;
    let replacing = Replacing::claim(database).map_err(|error| not_replaced(database, &error))?;
    replacing.assert_unused().await.map_err(|error| not_replaced(database, &error))?;

    let (draft, contents) = write(file, replacing.path()).await?;
    let key = KeyPlan::make(config, database, file, args.without_key, &contents)?;
    let present = look_at(database, draft.path()).await?;
    let kept = (!args.discard && database.exists()).then(|| aside(replacing.path(), SystemClock.now()));
    show(database, file, &contents, present.as_ref());
    key.show();
    if database.exists() && !args.yes {
        let what = match &kept {
            Some(kept) => format!("The database {} is replaced, and kept as {}.", database.display(), kept.display()),
            None => format!("The database {} is replaced, and not kept.", database.display()),
        };
        confirm_with(&what, "nothing was restored")?;
    }

    draft.sync().map_err(|error| unwritten(database, &error))?;
    let shut_out = replacing.shut_out().await.map_err(|error| not_replaced(database, &error))?;
    let kept_key = key.restore(SystemClock.now(), args.discard)?;
    shut_out.replace_by(draft.path(), kept.as_deref()).map_err(|error| {
        Failure::Refused(format!(
            "cannot replace {}: {error}; the database is as it was{}",
            database.display(),
            kept_key
                .as_ref()
                .map_or(String::new(), |kept| format!(", but its key was replaced and is {}", kept.display()))
        ))
    })?;

    let Difference { revived, changed, gone } = present.map(|present| present.difference).unwrap_or_default();
    let body = RestoreBody {
        database: database.display().to_string(),
        file: file.display().to_string(),
        schema: contents.schema,
        projects: contents.projects,
        tokens: contents.tokens,
        kept: kept.map(|kept| kept.display().to_string()),
        kept_key: kept_key.map(|kept| kept.display().to_string()),
        revived: revived
            .into_iter()
            .map(|token| RevivedBody {
                id: token.id.to_string(),
                name: token.name,
                project_id: token.project.to_string(),
            })
            .collect(),
        changed: changed.iter().map(ToString::to_string).collect(),
        gone,
    };
    output::print(if args.json { output::json(&body) } else { lines(&body) })?;
    Ok(ExitCode::SUCCESS)
}

/// What the command line itself gets wrong.
fn assert_restorable(file: &Path, database: &Path) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::Refused(why));
    let shown = file.display();
    let found = match fs::metadata(file) {
        Ok(found) if found.is_file() => found,
        Ok(_) => return refuse(format!("{shown} is not a file; name a file that 'tokensmith backup' made")),
        Err(error) => return refuse(format!("cannot read {shown}: {error}")),
    };
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    if fs::metadata(database).is_ok_and(|database| identity(&database) == identity(&found)) {
        return refuse(format!("{shown} is the database itself; name a copy of it"));
    }
    let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty());
    match directory {
        Some(directory) if !directory.is_dir() => refuse(format!(
            "the directory {} of the database does not exist; make it first, for the service's user alone",
            directory.display()
        )),
        _ => copies::assert_whole(file).or_else(|error| refuse(unfit(file, &error))),
    }
}

/// Copies the file to where it can take the place of the database, and judges the copy.
async fn write(file: &Path, database: &Path) -> Result<(Draft, Contents), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let stop = interrupt.stop.clone();
    let draft = Draft::beside(database).map_err(|error| unwritten(database, &error))?;
    let copying = tokio::task::spawn_blocking({
        let (from, to, stop) = (file.to_owned(), draft.path().to_owned(), stop.clone());
        move || copy(&from, &to, &stop)
    });
    let work = async {
        copying.await.expect("copying does not panic")?;
        copies::inspect(draft.path(), &stop).await
    };
    let contents = interrupt.stops(work).await.map_err(|error| {
        Failure::Refused(match error {
            CopyError::Interrupted => "interrupted; nothing was restored".to_owned(),
            CopyError::Io(error) => {
                format!("cannot copy {} to {}: {error}; nothing was restored", file.display(), database.display())
            }
            error => unfit(file, &error),
        })
    })?;
    Ok((draft, contents))
}

fn copy(from: &Path, to: &Path, stop: &AtomicBool) -> Result<(), CopyError> {
    let mut from = File::open(from)?;
    let mut to = OpenOptions::new().write(true).open(to)?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(CopyError::Interrupted);
        }
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            count => to.write_all(&chunk[..count])?,
        }
    }
}

/// What the database holds now; `None` where there is none, or one that cannot be read.
async fn look_at(database: &Path, draft: &Path) -> Result<Option<Present>, Failure> {
    if fs::metadata(database).map_or(0, |found| found.len()) == 0 {
        return Ok(None);
    }
    let looked = async {
        let contents = copies::look(database).await?;
        Ok::<_, CopyError>(Present { contents, difference: copies::compare(database, draft).await? })
    };
    match looked.await {
        Ok(present) => Ok(Some(present)),
        // A damaged database is a reason to restore one.
        Err(error) => {
            output::complain(&format!(
                "the database {} cannot be read, so nothing says which tokens were revoked since the copy was made: {}",
                visible(&database.display().to_string()),
                visible(&error.to_string())
            ));
            Ok(None)
        }
    }
}

/// Where the replaced file stays.
pub(super) fn aside(path: &Path, now: Timestamp) -> PathBuf {
    // 2026-11-25T13:00:00.000000Z
    let time: String = now.to_rfc3339().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-restore-{time}Z"));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    // A second one within a second gets a number. Where there are as many as this, giving it the name fails.
    (1..1000).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(1))
}

/// Shows the person, not the pipe, what is going to happen.
fn show(database: &Path, file: &Path, after: &Contents, present: Option<&Present>) {
    let name = |path: &Path| visible(&path.display().to_string()).into_owned();
    let newest = |contents: &Contents| contents.newest_change.map_or("-".to_owned(), Timestamp::to_rfc3339);
    let row = |label: &str, of: &dyn Fn(&Contents) -> String| {
        let now = present.map_or("-".to_owned(), |present| of(&present.contents));
        format!("{label:<14} {now:<28} {}", of(after))
    };
    let mut lines = vec![
        format!("database {}", name(database)),
        format!("from     {}", name(file)),
        String::new(),
        format!("{:<14} {:<28} after", "", "now"),
        row("projects", &|contents| contents.projects.to_string()),
        row("tokens", &|contents| contents.tokens.to_string()),
        row("newest change", &newest),
        row("schema", &|contents| format!("V{}", contents.schema)),
    ];
    if let Some(Present { difference, .. }) = present {
        for (number, what) in [
            (difference.revived.len() as u64, "revoked since the copy was made: valid again"),
            (difference.changed.len() as u64, "given other permissions since: they have the old ones again"),
            (difference.gone, "issued since: gone"),
        ] {
            if number > 0 {
                lines.push(format!("{} {what}", counted(number, "token")));
            }
        }
    }
    output::complain(&lines.join("\n"));
}

fn lines(body: &RestoreBody) -> String {
    let mut lines = vec![format!(
        "restored {} from {}: {}, {}",
        body.database,
        body.file,
        counted(body.projects, "project"),
        counted(body.tokens, "token")
    )];
    for (what, kept) in [("database", &body.kept), ("key", &body.kept_key)] {
        lines.extend(kept.iter().map(|kept| format!("the replaced {what} is {kept}")));
    }
    let revived = body.revived.iter().map(|token| format!("{}  {}", token.id, visible(&token.name)));
    for (what, tokens) in [
        (
            "revoked since the copy was made, and valid again (revoke them with 'tokensmith token revoke ID'):",
            revived.collect::<Vec<_>>(),
        ),
        ("with other permissions than before:", body.changed.clone()),
    ] {
        if !tokens.is_empty() {
            lines.push(what.to_owned());
            lines.extend(tokens.iter().take(NAMED).map(|token| format!("  {token}")));
        }
        if tokens.len() > NAMED {
            lines.push(format!("  and {} more; --json lists all", tokens.len() - NAMED));
        }
    }
    lines.join("\n")
}

fn unfit(file: &Path, error: &CopyError) -> String {
    format!("{} cannot be restored: {error}", file.display())
}

fn unwritten(database: &Path, error: &std::io::Error) -> Failure {
    Failure::Refused(format!("cannot write beside {}: {error}; nothing was restored", database.display()))
}

fn not_replaced(database: &Path, error: &ReplaceError) -> Failure {
    Failure::Refused(match error {
        ReplaceError::InUse(_) => error.to_string(),
        error => format!("cannot replace {}: {error}; nothing was restored", database.display()),
    })
}
