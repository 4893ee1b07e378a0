//! The catalogue of permissions that the database keeps, so that commands judge permissions by the list of the servers,
//! whatever their own configuration is.
//!
//! `serve` writes its own list at each start; the last start wins, and warns where the list was another. A command takes
//! the list from there. Where its own configuration sets another one, it refuses to judge permissions, and does the rest.

use super::{Failure, store};
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    domain::Catalogue,
    error::{Error, Fault, Problem},
    store::Store,
};

/// Writes the list of this server to the database, where that has another one. On connections of its own, which are closed
/// before the server opens others: SQLite would hand the file on to those as it was opened here, for writing, whatever its
/// mode is by then.
pub(super) async fn keep(config: &Config) -> Result<(), Failure> {
    let store = store::open_store(config).await?;
    let before = replace(&config.permissions.catalogue, &*store).await;
    store.close().await;
    warn_of_another(before?.as_deref(), &config.permissions.catalogue);
    Ok(())
}

/// Returns the list that stood there.
async fn replace(ours: &Catalogue, store: &dyn Store) -> Result<Option<String>, Error> {
    let kept = store.find_catalogue().await?;
    if kept.as_deref() == Some(&ours.to_stored()) {
        return Ok(kept);
    }
    store.replace_catalogue(&ours.to_stored(), SystemClock.now()).await
}

fn warn_of_another(before: Option<&str>, ours: &Catalogue) {
    if let Some(theirs) = before.and_then(Catalogue::from_stored)
        && !theirs.knows_the_same_as(ours)
    {
        tracing::warn!(
            added = %list(ours.names().filter(|name| !theirs.knows(name))),
            removed = %list(theirs.names().filter(|name| !ours.knows(name))),
            "the server that was started last on this database had another permissions.catalogue; this server denies the \
             permissions that it does not list: give all servers on one database the same list"
        );
    }
}

/// The list by which a command judges permissions.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) catalogue: Catalogue,
    /// Where it comes from, for errors.
    origin: String,
    /// Why the command must not judge permissions, if so.
    conflict: Option<String>,
}

impl Known {
    /// The list of the servers, or the configured one where no server has written one yet.
    pub(super) async fn find(config: &Config, store: &dyn Store) -> Result<Self, Failure> {
        let ours = &config.permissions;
        let Some(kept) = store.find_catalogue().await? else {
            let origin = match &ours.set_by {
                Some(origin) => format!("permissions.catalogue in {origin}"),
                None => "the default of permissions.catalogue".to_owned(),
            };
            return Ok(Self { catalogue: ours.catalogue.clone(), origin, conflict: None });
        };
        let catalogue = Catalogue::from_stored(&kept).ok_or_else(|| {
            Failure::Refused(
                "the database holds a list of permissions that cannot be read; start 'tokensmith serve' to write it again"
                    .to_owned(),
            )
        })?;
        let conflict = ours.set_by.as_ref().filter(|_| !catalogue.knows_the_same_as(&ours.catalogue)).map(|origin| {
            format!(
                "{origin}: permissions.catalogue lists {}, but the servers on this database list {}; remove it from this \
                 configuration, or start 'tokensmith serve' with it",
                list(ours.catalogue.names()),
                list(catalogue.names()),
            )
        });
        Ok(Self { catalogue, origin: "the database, as the last 'tokensmith serve' wrote them".to_owned(), conflict })
    }

    /// Asked before permissions are judged.
    pub(super) fn assert_agreed(&self) -> Result<(), Failure> {
        self.conflict.clone().map_or(Ok(()), |why| Err(Failure::Misused(why)))
    }

    /// The same error. Where it names an unknown permission, it says where the known ones come from.
    pub(super) fn explain(&self, error: Error) -> Failure {
        let lists = |fault: &Fault| match &fault.problem {
            Problem::UnknownPermission { known, .. } => Some(!known.is_empty()),
            _ => None,
        };
        let is_listed = match &error {
            Error::Invalid(faults) => faults.iter().find_map(lists),
            _ => None,
        };
        match (is_listed, Failure::from(error)) {
            (Some(true), Failure::Refused(why)) => Failure::Refused(format!("{why} (from {})", self.origin)),
            (Some(false), Failure::Refused(why)) => Failure::Refused(format!("{why}; {}", self.describe())),
            (_, failure) => failure,
        }
    }

    /// The names, as far as an error lists them, and where they come from.
    pub(super) fn describe(&self) -> String {
        const MOST: usize = 20;
        let names: Vec<&str> = self.catalogue.names().collect();
        let more = if names.len() > MOST { format!(" and {} more", names.len() - MOST) } else { String::new() };
        format!("allowed are {}{more} (from {})", names[..names.len().min(MOST)].join(", "), self.origin)
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
