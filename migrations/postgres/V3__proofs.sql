-- HMAC-SHA256 of the secret, its row and its hash, under a key derived from the server's: recognises the secret
-- without argon2. Null until it is made.
alter table token_secrets add column proof bytea check (length(proof) = 32);

-- Which key that was: the first 8 bytes of a SHA-256 of it.
alter table token_secrets add column proof_key bytea check (length(proof_key) = 8);

-- A proof decides both ways, so one that belongs to another hash must not stay: an older version that runs beside
-- this one renews hashes and does not know of proofs.
create function token_secrets_drop_proof_of_old_hash() returns trigger language plpgsql as $$
begin
    new.proof := null;
    new.proof_key := null;
    return new;
end
$$;

create trigger token_secrets_proof_of_old_hash
before update of hash on token_secrets
for each row
when (new.hash is distinct from old.hash and new.proof is not distinct from old.proof)
execute function token_secrets_drop_proof_of_old_hash();
