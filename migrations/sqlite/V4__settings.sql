-- What a server was started with, for commands that run elsewhere with a configuration of their own.
create table settings (
    name text primary key,
    value text not null,
    updated_at integer not null
) strict;
