//! The statements about secrets.

use async_trait::async_trait;
use sqlx::{Postgres, Sqlite};

use super::{Purpose, SqlStore, giving, read, records::HolderRecord, write};
use crate::{
    domain::{Actor, Proof, SecretId, Selector, Tenant},
    error::Error,
    store::{Holder, MadeProof, Secrets},
};

macro_rules! secrets {
    ($database:ty, for_update_if_free: $for_update_if_free:literal) => {
        #[async_trait]
        impl Secrets for SqlStore<$database> {
            async fn find_holder(&self, selector: Selector) -> Result<Option<Holder>, Error> {
                self.holder(Purpose::Verification, selector).await
            }

            async fn find_caller(&self, tenant: Tenant, selector: Selector) -> Result<Option<Holder>, Error> {
                self.holder(Purpose::Authentication(tenant), selector).await
            }

            async fn replace_hash(
                &self,
                id: SecretId,
                old: &str,
                new: &str,
                proof: Option<&Proof>,
            ) -> Result<bool, Error> {
                write!(self, giving(Actor::Operator), |tx| {
                    sqlx::query(
                        "update token_secrets set hash = $3, proof = $4, proof_key = $5 where id = $1 and hash = $2",
                    )
                    .bind(id.as_uuid())
                    .bind(old)
                    .bind(new)
                    .bind(proof.map(|proof| proof.mac().as_slice()))
                    .bind(proof.map(|proof| proof.key().as_slice()))
                    .execute(&mut *tx)
                    .await?
                    .rows_affected()
                        == 1
                })
            }

            async fn keep_proofs(&self, proofs: &[MadeProof]) -> Result<u64, Error> {
                write!(self, giving(Actor::Operator), |tx| {
                    let mut kept = 0;
                    for MadeProof { secret, hash, proof } in proofs {
                        // Who waits for a row while it holds others can be waited for in turn; this never waits.
                        kept += sqlx::query(concat!(
                            "update token_secrets set proof = $3, proof_key = $4
                            where id = (select id from token_secrets where id = $1 and hash = $2",
                            $for_update_if_free,
                            ")",
                        ))
                        .bind(secret.as_uuid())
                        .bind(hash.as_str())
                        .bind(proof.mac().as_slice())
                        .bind(proof.key().as_slice())
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    }
                    kept
                })
            }
        }

        impl SqlStore<$database> {
            async fn holder(&self, purpose: Purpose, selector: Selector) -> Result<Option<Holder>, Error> {
                read!(self, purpose, |connection| {
                    sqlx::query_as::<_, HolderRecord>(
                        "select s.id as secret_id, s.hash, s.check_bytes, s.proof, s.proof_key, t.id as token_id, t.name,
                            t.permissions, t.created_at, p.id as project_id, p.parent_id
                        from token_secrets s
                        join tokens t on t.id = s.token_id
                        join projects p on p.id = t.project_id
                        where s.selector = $1",
                    )
                    .bind(selector.as_bytes())
                    .fetch_optional(connection)
                    .await?
                    .map(|record| record.into_holder(&self.catalogue))
                    .transpose()?
                })
            }
        }
    };
}

secrets!(Postgres, for_update_if_free: " for update skip locked");
// "begin immediate" has locked everything already.
secrets!(Sqlite, for_update_if_free: "");
