//! What becomes of the server's key where a database is restored: it is restored with it, or stays, and what the copy has
//! sealed is held against the one that is used then.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Failure, keys, output, restore::aside};
use crate::{
    clock::Timestamp,
    config::Config,
    service::{Key, Keys, Sealer},
    store::{
        copies::Contents,
        replace::{keep, take_over_owner},
    },
};

/// What is to be done.
pub(super) struct KeyPlan {
    /// The key's file beside the database.
    ours: PathBuf,
    /// The key's file beside the copy.
    theirs: PathBuf,
    /// What is to stand in the file, where it is to change.
    new: Option<Key>,
    notes: Vec<String>,
}

impl KeyPlan {
    /// Looks at the keys. Nothing is written.
    pub(super) fn make(
        config: &Config,
        database: &Path,
        file: &Path,
        without_key: bool,
        contents: &Contents,
    ) -> Result<Self, Failure> {
        let (ours, theirs) = (keys::beside(database), keys::beside(file));
        let configured = config.server.key.bytes().map(|key| Key::new(*key));
        let mut plan = Self { ours, theirs, new: None, notes: Vec::new() };
        let present = if plan.ours.exists() { keys::read(&plan.ours).ok() } else { None };
        let mut used = configured.clone().or(present.clone());
        if plan.theirs.exists() && !without_key {
            let copied = keys::read(&plan.theirs)?;
            if configured.is_some() {
                plan.notes.push(format!(
                    "{} is not restored: the server's key is in the configuration (server.key)",
                    plan.theirs.display()
                ));
            } else {
                if present.as_deref() != Some(&*copied) {
                    plan.notes.push(format!(
                        "the server's key {} is restored from {}",
                        plan.ours.display(),
                        plan.theirs.display()
                    ));
                    plan.new = Some(copied.clone());
                }
                used = Some(copied);
            }
        }
        plan.judge(config, used, contents);
        Ok(plan)
    }

    /// What is lost with the key that is used from then on.
    fn judge(&mut self, config: &Config, used: Option<Key>, contents: &Contents) {
        let Some(sealed) = &contents.sealed_key else { return };
        let has_key = used.is_some();
        if Sealer::new(&Keys::new(used, keys::previous(config))).knows(sealed) {
            return;
        }
        let why = if has_key {
            "the copy was sealed with another server key than the one that is used here"
        } else {
            "the server's key that the copy was sealed with is not here, and 'serve' does not start without it"
        };
        self.notes.push(format!(
            "{why}: signing keys of subprojects cannot be opened, and each token's first use costs one argon2 hash. Bring \
             that key back as {}, or in server.key or server.previous_keys; or give it up and rotate the signing keys",
            self.ours.display()
        ));
    }

    /// Tells the person.
    pub(super) fn show(&self) {
        for note in &self.notes {
            output::complain(note);
        }
    }

    /// Does it. Returns where the replaced key is kept.
    pub(super) fn restore(self, now: Timestamp, discard: bool) -> Result<Option<PathBuf>, Failure> {
        let Some(key) = self.new else { return Ok(None) };
        let refuse = |error: std::io::Error| {
            Failure::Refused(format!(
                "cannot replace the server's key {}: {error}; nothing was restored",
                self.ours.display()
            ))
        };
        let draft = keys::draft(&self.ours, &key).map_err(refuse)?;
        let kept = (self.ours.exists() && !discard).then(|| aside(&self.ours, now));
        if let Some(kept) = &kept {
            fs::File::open(&self.ours).and_then(|opened| keep(&self.ours, &opened, kept)).map_err(refuse)?;
        }
        if self.ours.exists() {
            take_over_owner(draft.path(), &self.ours);
        } else if let Some(directory) = fs::canonicalize(draft.path()).ok().as_deref().and_then(Path::parent) {
            take_over_owner(draft.path(), directory);
        }
        draft.publish(&self.ours, true).map_err(refuse)?;
        Ok(kept)
    }
}
