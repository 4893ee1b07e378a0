-- A project's signing key, sealed with a key that is derived from the server's: 8 bytes that name the sealing key,
-- 24 of nonce, then XChaCha20-Poly1305. Null until there is one.
alter table projects add column signing_key blob;

-- The start asks for any one of them.
create index projects_with_signing_key on projects (id) where signing_key is not null;
