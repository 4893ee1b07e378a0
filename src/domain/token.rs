//! A token: a named, scoped credential of one project, and the requests that make and change one.

use super::{
    Catalogue, Check, Cursor, Fields, Hint, Name, Permissions, ProjectId, Proof, Raw, Schema, Secret, SecretId,
    Selector, TokenId,
    fields::{keep, required},
};
use crate::{
    clock::Timestamp,
    error::{Fault, Faults, Field, Problem},
};

/// A token as it is stored, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// The project that it belongs to, whose id is the user name in HTTP Basic.
    pub project: ProjectId,
    /// What people call it.
    pub name: Name,
    /// What it may do.
    pub permissions: Permissions,
    /// What people may see of its secret.
    pub hint: Hint,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The token that issued it; `None` where the operator did.
    pub created_by: Option<TokenId>,
}

impl Token {
    /// Where a list goes on after it.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.as_uuid() }
    }

    /// The fields of the requests that make and change a token.
    pub const FIELDS: Schema = Schema {
        single: &[Field::Name.as_str(), Field::SubprojectId.as_str()],
        // Those that are not built yet stand here, so that a form cannot pass one by as `expires_in[]`.
        repeated: &[
            Field::Permissions.as_str(),
            Field::ExpiresAt.as_str(),
            Field::ExpiresIn.as_str(),
            Field::AllowedCidrs.as_str(),
            Field::Disabled.as_str(),
        ],
    };
}

/// What rests of a secret: a row of its own, so that a token can outlive its secret.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// Its id.
    pub id: SecretId,
    /// What finds it.
    pub selector: Selector,
    /// The argon2id PHC string of the whole secret.
    pub hash: String,
    /// What refuses nearly every wrong secret before argon2.
    pub check: Check,
    /// What recognises it without argon2; `None` where there was no key to make it with.
    pub proof: Option<Proof>,
    /// When it was drawn.
    pub created_at: Timestamp,
}

/// A token together with its secret. Nothing else holds both, and it is made once.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// Its secret, to be shown this once.
    pub secret: Secret,
}

/// A request for a token, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Its name.
    pub name: Name,
    /// What it shall be able to do.
    pub permissions: Permissions,
    /// The subproject that it shall belong to; `None` for the project at hand.
    pub subproject: Option<ProjectId>,
}

impl NewToken {
    /// Judges the fields one by one: name, permissions, subproject_id, then those that are not built.
    ///
    /// # Errors
    /// Every field that failed, in that order.
    pub fn judge(fields: &Fields, catalogue: &Catalogue) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let name = keep(Field::Name, required(fields.name(Field::Name)), &mut faults);
        let permissions = keep(Field::Permissions, required(judge_permissions(fields, catalogue)), &mut faults);
        let subproject = keep(Field::SubprojectId, fields.subproject(), &mut faults);
        refuse_unbuilt(fields, &mut faults);
        Faults::none_or(faults)?;
        Ok(Self {
            name: name.expect("no fault, so a name"),
            permissions: permissions.expect("no fault, so permissions"),
            subproject: subproject.flatten(),
        })
    }
}

/// A change to a token, judged. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenChange {
    /// The new name.
    pub name: Option<Name>,
    /// The new permissions, which replace all of the old ones.
    pub permissions: Option<Permissions>,
}

impl TokenChange {
    /// Judges the fields one by one; absent ones are no fault.
    ///
    /// # Errors
    /// Every field that failed, in the order of the contract.
    pub fn judge(fields: &Fields, catalogue: &Catalogue) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let name = keep(Field::Name, fields.name(Field::Name), &mut faults);
        let permissions = keep(Field::Permissions, judge_permissions(fields, catalogue), &mut faults);
        refuse_unbuilt(fields, &mut faults);
        Faults::none_or(faults)?;
        Ok(Self { name: name.flatten(), permissions: permissions.flatten() })
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.permissions.is_none()
    }
}

/// Fields that a later version will understand, and that this one must not pass over in silence.
const UNBUILT: [Field; 4] = [Field::ExpiresAt, Field::ExpiresIn, Field::AllowedCidrs, Field::Disabled];

fn refuse_unbuilt(fields: &Fields, faults: &mut Vec<Fault>) {
    for field in UNBUILT {
        if fields.get(field.as_str()).is_some_and(|raw| *raw != Raw::Null) {
            faults.push(Fault { field, problem: Problem::NotBuilt });
        }
    }
}

fn judge_permissions(fields: &Fields, catalogue: &Catalogue) -> Result<Option<Permissions>, Problem> {
    match fields.get(Field::Permissions.as_str()) {
        None => Ok(None),
        Some(Raw::Texts(names)) => catalogue.parse(names.iter().map(String::as_str)).map(Some),
        Some(Raw::Null | Raw::Text(_) | Raw::Bool(_) | Raw::Other) => {
            Err(Problem::WrongType { expected: "a list of permission names" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::new(["calling".to_owned(), "chat".to_owned()]).unwrap()
    }

    fn fields(pairs: &[(&'static str, Raw)]) -> Fields {
        let mut fields = Fields::default();
        for (name, raw) in pairs {
            fields.insert(name, raw.clone());
        }
        fields
    }

    #[test]
    fn every_failed_field_is_named_in_the_contracts_order() {
        let faults = NewToken::judge(
            &fields(&[
                ("subproject_id", Raw::Text("x".into())),
                ("expires_in", Raw::Other),
                ("permissions", Raw::Texts(vec!["swim".into()])),
            ]),
            &catalogue(),
        )
        .unwrap_err();

        let named: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["name", "permissions", "subproject_id", "expires_in"]);
    }

    #[test]
    fn an_empty_or_null_subproject_is_absent() {
        for raw in [Raw::Null, Raw::Text(String::new())] {
            let new = NewToken::judge(
                &fields(&[
                    ("name", Raw::Text("n".into())),
                    ("permissions", Raw::Texts(vec!["chat".into()])),
                    ("subproject_id", raw),
                    ("expires_at", Raw::Null),
                ]),
                &catalogue(),
            )
            .unwrap();

            assert_eq!(new.subproject, None);
        }
    }

    #[test]
    fn a_change_of_nothing_is_no_fault() {
        assert!(TokenChange::judge(&Fields::default(), &catalogue()).unwrap().is_empty());
    }
}
