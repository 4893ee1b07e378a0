-- Times are microseconds since 1970-01-01T00:00:00Z, UTC.

create table projects (
    id uuid primary key,
    name text not null,
    -- Null for a root project. One level only: the statement that inserts asks for a parent that is a root.
    parent_id uuid references projects (id),
    region_preference text,
    protect_recordings boolean not null,
    protect_message_media boolean not null,
    protect_fax_media boolean not null,
    force_https_requests boolean not null,
    -- Kept by the statements that insert and delete tokens, in their transaction: one update locks the project
    -- and judges the limit, where counting first and inserting then would overshoot it.
    token_count bigint not null default 0 check (token_count >= 0),
    created_at bigint not null,
    updated_at bigint not null
);

create index projects_by_parent on projects (parent_id, created_at, id);

create table tokens (
    id uuid primary key,
    project_id uuid not null references projects (id) on delete cascade,
    name text not null,
    -- Permission names with one space between. A name that leaves the catalogue stays here.
    permissions text not null,
    created_at bigint not null,
    updated_at bigint not null,
    -- The token that issued this one; no foreign key, because it may be gone. Null where the operator did.
    created_by uuid
);

create index tokens_by_project on tokens (project_id, created_at, id);

-- Secrets have rows of their own, so that a token keeps its id, name and permissions when its secret changes.
create table token_secrets (
    id uuid primary key,
    token_id uuid not null references tokens (id) on delete cascade,
    -- The first 6 bytes of the secret: what finds it.
    selector bytea not null unique check (length(selector) = 6),
    -- argon2id, as a PHC string with its own parameters and salt, of the whole secret as text.
    hash text not null,
    -- The first 2 bytes of the SHA-256 of the secret: refuses nearly every wrong one before argon2.
    check_bytes bytea not null check (length(check_bytes) = 2),
    created_at bigint not null
);

create index token_secrets_by_token on token_secrets (token_id);
