-- Times are microseconds since 1970-01-01T00:00:00Z, UTC. Ids are the 16 bytes of a UUID.

create table projects (
    id blob primary key check (length(id) = 16),
    name text not null,
    -- Null for a root project. One level only: the statement that inserts asks for a parent that is a root.
    parent_id blob references projects (id),
    region_preference text,
    protect_recordings integer not null,
    protect_message_media integer not null,
    protect_fax_media integer not null,
    force_https_requests integer not null,
    -- Kept by the statements that insert and delete tokens, in their transaction: one update locks the project
    -- and judges the limit, where counting first and inserting then would overshoot it.
    token_count integer not null default 0 check (token_count >= 0),
    created_at integer not null,
    updated_at integer not null
) strict;

create index projects_by_parent on projects (parent_id, created_at, id);

create table tokens (
    id blob primary key check (length(id) = 16),
    project_id blob not null references projects (id) on delete cascade,
    name text not null,
    -- Permission names with one space between. A name that leaves the catalogue stays here.
    permissions text not null,
    created_at integer not null,
    updated_at integer not null,
    -- The token that issued this one; no foreign key, because it may be gone. Null where the operator did.
    created_by blob
) strict;

create index tokens_by_project on tokens (project_id, created_at, id);

-- Secrets have rows of their own, so that a token keeps its id, name and permissions when its secret changes.
create table token_secrets (
    id blob primary key check (length(id) = 16),
    token_id blob not null references tokens (id) on delete cascade,
    -- The first 6 bytes of the secret: what finds it.
    selector blob not null unique check (length(selector) = 6),
    -- argon2id, as a PHC string with its own parameters and salt, of the whole secret as text.
    hash text not null,
    -- The first 2 bytes of the SHA-256 of the secret: refuses nearly every wrong one before argon2.
    check_bytes blob not null check (length(check_bytes) = 2),
    created_at integer not null
) strict;

create index token_secrets_by_token on token_secrets (token_id);
