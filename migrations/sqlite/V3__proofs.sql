-- HMAC-SHA256 of the secret, its row and its hash, under a key derived from the server's: recognises the secret
-- without argon2. Null until it is made.
alter table token_secrets add column proof blob check (length(proof) = 32);

-- Which key that was: the first 8 bytes of a SHA-256 of it.
alter table token_secrets add column proof_key blob check (length(proof_key) = 8);

-- A proof decides both ways, so one that belongs to another hash must not stay: an older version that runs beside
-- this one renews hashes and does not know of proofs.
create trigger token_secrets_proof_of_old_hash
after update of hash on token_secrets
when new.hash is not old.hash and new.proof is old.proof
begin
    update token_secrets set proof = null, proof_key = null where id = new.id;
end;
