//! `serve --bootstrap`: the first project and token of an empty store, and a place for the secret.

use std::{
    fs::{self, File, OpenOptions},
    io::{IsTerminal, Write, stdout},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{Failure, output};
use crate::{
    config::{Config, DatabaseUrl},
    domain::{Name, SecretText},
    error::Error,
    service::{Bootstrapped, Service},
};

/// Fills an empty store. On a terminal both are printed; otherwise, in a container or under a supervisor, where
/// stdout is a log, they go into a file and its path is printed. On a store with a project it does nothing.
pub(super) async fn run(service: &Service, config: &Config, name: Name, base_url: &str) -> Result<(), Failure> {
    if !service.is_empty().await? {
        let project = service.only_root().await?.map_or("PROJECT".to_owned(), |id| id.to_string());
        tracing::info!(
            "the store is not empty, so --bootstrap does nothing; where its secret is lost, issue another: \
             tokensmith token create --project {project} --name management -p management"
        );
        return Ok(());
    }
    let first = service.draw_first(name).await?;
    if stdout().is_terminal() {
        if service.bootstrap(&first).await? {
            print(&first, base_url)?;
        }
        return Ok(());
    }
    // The file comes first: a secret that could not be kept must not be the only key to the store.
    let path = path(&config.database.url);
    let file = create(&path)?;
    match keep(file, &path, &first) {
        Ok(full_path) => commit(service, &first, &path, &full_path).await,
        Err(error) => {
            discard(&path);
            Err(Failure::Refused(format!("cannot write {}: {error}", path.display())))
        }
    }
}

async fn commit(service: &Service, first: &Bootstrapped, path: &Path, full_path: &Path) -> Result<(), Failure> {
    match service.bootstrap(first).await {
        Ok(true) => {
            output::print(full_path.display().to_string())?;
            tracing::info!(path = %full_path.display(), "the first project and its token are in this file");
            Ok(())
        }
        Ok(false) => {
            discard(path);
            tracing::info!("another process made the first project");
            Ok(())
        }
        // It may be the only copy of a secret that counts.
        Err(error @ Error::OutcomeUnknown(_)) => Err(error.into()),
        Err(error) => {
            discard(path);
            Err(error.into())
        }
    }
}

/// Beside the database file, or in the working directory where the database is elsewhere.
fn path(url: &DatabaseUrl) -> PathBuf {
    const FILE: &str = "bootstrap.json";
    match url {
        DatabaseUrl::Sqlite(database) => database.with_file_name(FILE),
        DatabaseUrl::Postgres(_) => PathBuf::from(FILE),
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            Failure::Refused(format!(
                "{} is there already, from another database or an interrupted start, and is not overwritten; move it away and start again",
                path.display()
            ))
        } else {
            Failure::Refused(format!("cannot make {}: {error}", path.display()))
        }
    })
}

/// Returns the whole path.
fn keep(mut file: File, path: &Path, first: &Bootstrapped) -> std::io::Result<PathBuf> {
    let body = output::CreatedBody { project: (&first.project).into(), token: Some((&first.token).into()) };
    serde_json::to_writer_pretty(&mut file, &body)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let full_path = path.canonicalize()?;
    // A power failure may take a name whose directory was not synced, when the database has the project already. Not
    // every file system can sync one; there the file is all that there is to hold on to.
    if let Some(directory) = full_path.parent() {
        let _unsupported = File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(full_path)
}

fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a bootstrap file that is of no use could not be removed");
    }
}

fn print(first: &Bootstrapped, base_url: &str) -> Result<(), Failure> {
    let project = first.project.id;
    let text = SecretText::new(format!(
        "{}\n{}
Issue a token with it, in another terminal:\n
curl {base_url}/api/laml/2010-04-01/Accounts/{project}/tokens \\
  -u '{project}:{secret}' \\
  --data-urlencode \"name=John Doe's Token\" \\
  -d permissions=calling -d permissions=chat -d permissions=messaging\n\n",
        output::project(&first.project, None),
        output::issued(&first.token).as_str(),
        secret = first.token.secret.reveal().as_str()
    ));
    output::print(text.as_str())
}
