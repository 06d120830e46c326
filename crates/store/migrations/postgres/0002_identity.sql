-- Who is asking: accounts, sessions, factors, keys, tickets, mail. No address, name or secret stands
-- here in the clear: *_sealed is encrypted under the person's own key, *_index and hash are keyed or
-- one-way, *_wrapped is encrypted under the root key.

alter table workspaces add column name text not null default '';

create table users (
    id text not null,
    email_sealed bytea not null,
    -- Keyed hash of the normalised address: finds the account without telling the address.
    email_index text not null,
    name_sealed bytea not null,
    state text not null,
    -- For what belongs to the whole installation; what belongs to a workspace is in members.
    role text not null,
    locale text not null,
    -- Argon2id in PHC form with the version of its pepper; null while there is none.
    password text,
    -- Taken because a second factor stood beside it: too short to stand alone.
    password_short boolean not null,
    -- Tokens of an earlier epoch are void.
    auth_epoch bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    email_verified_at bigint,
    disabled_at bigint,
    constraint users_pkey primary key (id)
);
create unique index users_email on users (email_index);
create index users_administrators on users (state, id) where role = 'admin';

create table members (
    workspace text not null,
    user_id text not null,
    role text not null,
    created_at bigint not null,
    constraint members_pkey primary key (workspace, user_id),
    constraint members_workspace_fkey foreign key (workspace) references workspaces (id),
    constraint members_user_fkey foreign key (user_id) references users (id)
);
create index members_of_user on members (user_id, workspace);

create table sessions (
    id text not null,
    user_id text not null,
    workspace text not null,
    -- browser or api
    client text not null,
    -- Which browser on which system, in a few words; and a coarse network (/24, /48).
    agent text not null,
    network text not null,
    created_at bigint not null,
    used_at bigint not null,
    idle_until bigint not null,
    ends_at bigint not null,
    -- RFC 8176 words, separated by spaces.
    amr text not null,
    auth_at bigint not null,
    -- When a factor was last shown for a sensitive act.
    fresh_at bigint not null,
    -- RFC 7638 thumbprint of the key that tokens are bound to (RFC 9449).
    jkt text,
    ended_at bigint,
    ended_why text,
    constraint sessions_pkey primary key (id),
    constraint sessions_user_fkey foreign key (user_id) references users (id),
    constraint sessions_workspace_fkey foreign key (workspace) references workspaces (id)
);
create index sessions_of_user on sessions (user_id, id) where ended_at is null;
create index sessions_over on sessions (ends_at);
create index sessions_seen on sessions (user_id, used_at);

create table refresh_tokens (
    hash text not null,
    session text not null,
    generation bigint not null,
    issued_at bigint not null,
    used_at bigint,
    successor text,
    constraint refresh_tokens_pkey primary key (hash),
    constraint refresh_tokens_session_fkey foreign key (session) references sessions (id)
);
create index refresh_tokens_of_session on refresh_tokens (session, generation);

create table token_keys (
    kid text not null,
    public_key bytea not null,
    private_wrapped bytea not null,
    created_at bigint not null,
    -- Null while it is only announced.
    signs_from bigint,
    signs_until bigint,
    constraint token_keys_pkey primary key (kid)
);

-- Proofs of possession that were shown: none is good twice, at whatever process. Used where several
-- processes share the database.
create table proofs (
    once text not null,
    forget_at bigint not null,
    constraint proofs_pkey primary key (once)
);
create index proofs_old on proofs (forget_at);

-- Unguessable, short-lived, used once: verification, reset, invitation, setup, login half-way, challenges.
create table tickets (
    hash text not null,
    kind text not null,
    user_id text,
    -- Hash of the cookie of the browser that it is bound to.
    browser text,
    payload_sealed bytea,
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint,
    tries bigint not null,
    constraint tickets_pkey primary key (hash),
    constraint tickets_user_fkey foreign key (user_id) references users (id)
);
create index tickets_of_user on tickets (user_id, kind);
create index tickets_of_kind on tickets (kind, created_at);
create index tickets_over on tickets (expires_at);

create table passkeys (
    id text not null,
    user_id text not null,
    credential_id text not null,
    -- Public key, counter and flags as the library keeps them.
    credential text not null,
    name_sealed bytea not null,
    created_at bigint not null,
    used_at bigint,
    constraint passkeys_pkey primary key (id),
    constraint passkeys_user_fkey foreign key (user_id) references users (id)
);
create unique index passkeys_credential on passkeys (credential_id);
create index passkeys_of_user on passkeys (user_id, id);

create table totp (
    user_id text not null,
    secret_sealed bytea not null,
    -- The last time step that was accepted: it and earlier ones are refused.
    last_step bigint not null,
    created_at bigint not null,
    confirmed_at bigint,
    constraint totp_pkey primary key (user_id),
    constraint totp_user_fkey foreign key (user_id) references users (id)
);

create table recovery_codes (
    user_id text not null,
    hash text not null,
    created_at bigint not null,
    used_at bigint,
    constraint recovery_codes_pkey primary key (user_id, hash),
    constraint recovery_codes_user_fkey foreign key (user_id) references users (id)
);

-- Wrong codes and factors in a row, by person.
create table factor_failures (
    user_id text not null,
    failures bigint not null,
    next_at bigint not null,
    updated_at bigint not null,
    constraint factor_failures_pkey primary key (user_id),
    constraint factor_failures_user_fkey foreign key (user_id) references users (id)
);

create table api_keys (
    id text not null,
    user_id text not null,
    workspace text not null,
    name_sealed bytea not null,
    -- Keyed hash of the secret, and its last four characters for people.
    mac text not null,
    hint text not null,
    scopes text not null,
    networks text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint,
    used_at bigint,
    constraint api_keys_pkey primary key (id),
    constraint api_keys_user_fkey foreign key (user_id) references users (id),
    constraint api_keys_workspace_fkey foreign key (workspace) references workspaces (id)
);
create unique index api_keys_mac on api_keys (mac);
create index api_keys_of_user on api_keys (user_id, id);

create table external_identities (
    issuer text not null,
    subject text not null,
    user_id text not null,
    provider text not null,
    created_at bigint not null,
    constraint external_identities_pkey primary key (issuer, subject),
    constraint external_identities_user_fkey foreign key (user_id) references users (id)
);
create index external_identities_of_user on external_identities (user_id);

-- Browsers in which an account has logged in: a delay after failures lets its owner through.
create table devices (
    hash text not null,
    user_id text not null,
    agent text not null,
    created_at bigint not null,
    used_at bigint not null,
    constraint devices_pkey primary key (hash, user_id),
    constraint devices_user_fkey foreign key (user_id) references users (id)
);
create index devices_of_user on devices (user_id, used_at);
create index devices_old on devices (used_at);

-- Failed logins in a row, by address whether or not an account has it.
create table login_failures (
    email_index text not null,
    failures bigint not null,
    next_at bigint not null,
    updated_at bigint not null,
    constraint login_failures_pkey primary key (email_index)
);
create index login_failures_old on login_failures (updated_at);

create table mails (
    id text not null,
    user_id text,
    kind text not null,
    -- Address, language and what the text needs, encrypted.
    letter_sealed bytea not null,
    created_at bigint not null,
    due_at bigint,
    tries bigint not null,
    sent_at bigint,
    problem text,
    constraint mails_pkey primary key (id)
);
create index mails_due on mails (due_at) where due_at is not null;
create index mails_old on mails (created_at);
create index mails_given_up on mails (created_at) where due_at is null and sent_at is null;

-- Everything a person makes is the person's own inside the workspace.
alter table events add column user_id text;
update events set user_id = (select user_id from generations where generations.id = events.generation);
drop index generations_page;
create index generations_of_user on generations (workspace, user_id, id) where deleted_at is null;
drop index events_of_workspace;
create index events_of_user on events (workspace, user_id, seq);
