//! What people name on a command line: a project by its id, the beginning of it or its name; a token by its id or the
//! beginning of it. What could mean several is refused, and they are listed.

use std::fmt::Display;

use super::{Failure, terminal::visible};
use crate::{
    domain::{IdPrefix, Name, ProjectId, TokenId},
    service::Service,
};

/// How many an error lists.
const LISTED: usize = 10;

/// One more than an error lists.
const SOUGHT: u32 = 11;

/// A project as it is named on the command line.
#[derive(Clone, Debug)]
pub(super) enum ProjectRef {
    /// By its whole id.
    Id(ProjectId),
    /// By the beginning of its id, or by its name.
    Text(String),
}

impl ProjectRef {
    /// Reads what was typed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match ProjectId::parse(text) {
            Some(id) => Ok(Self::Id(id)),
            None if text.trim().is_empty() => {
                Err(format!("give the id of a project, its first {} or more digits, or its name", IdPrefix::LEAST))
            }
            None => Ok(Self::Text(text.to_owned())),
        }
    }

    /// Finds the id.
    ///
    /// # Errors
    /// Where the text means no project, or several. A whole id is not looked up.
    pub(super) async fn resolve(&self, service: &Service) -> Result<ProjectId, Failure> {
        let text = match self {
            Self::Id(id) => return Ok(*id),
            Self::Text(text) => text,
        };
        let found = service.projects_called(text, SOUGHT).await?;
        match &found[..] {
            [] => Err(Failure::Refused(format!(
                "no project has the name {text:?} or an id that begins so; 'tokensmith project list' lists them"
            ))),
            [project] => Ok(project.id),
            several => Err(ambiguous(text, "projects", several.iter().map(|project| (project.id, &project.name)))),
        }
    }
}

/// A token as it is named on the command line.
#[derive(Clone, Debug)]
pub(super) enum TokenRef {
    /// By its whole id.
    Id(TokenId),
    /// By the beginning of its id.
    Begun(String, IdPrefix),
}

impl TokenRef {
    /// Reads what was typed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match (TokenId::parse(text), IdPrefix::parse(text)) {
            (Some(id), _) => Ok(Self::Id(id)),
            (None, Some(prefix)) => Ok(Self::Begun(text.to_owned(), prefix)),
            (None, None) => Err(format!(
                "not the id of a token; give 8-4-4-4-12 hexadecimal digits with hyphens, or its first {} or more",
                IdPrefix::LEAST
            )),
        }
    }

    /// Finds the id.
    ///
    /// # Errors
    /// Where the text means no token, or several. A whole id is not looked up.
    pub(super) async fn resolve(&self, service: &Service) -> Result<TokenId, Failure> {
        let (text, prefix) = match self {
            Self::Id(id) => return Ok(*id),
            Self::Begun(text, prefix) => (text, *prefix),
        };
        let found = service.tokens_called(prefix, SOUGHT).await?;
        match &found[..] {
            [] => Err(Failure::Refused(format!("no token has an id that begins with {text}"))),
            [token] => Ok(token.id),
            several => Err(ambiguous(text, "tokens", several.iter().map(|token| (token.id, &token.name)))),
        }
    }
}

fn ambiguous<'n>(text: &str, what: &str, found: impl ExactSizeIterator<Item = (impl Display, &'n Name)>) -> Failure {
    let more = if found.len() > LISTED { "\n  and more" } else { "" };
    let lines: Vec<String> =
        found.take(LISTED).map(|(id, name)| format!("\n  {id}  {}", visible(name.as_str()))).collect();
    Failure::Misused(format!("{text:?} could mean several {what}; give the whole id of one:{}{more}", lines.concat()))
}
