-- Ids are prefixed text, times microseconds UTC, money micro-units with its ISO 4217 code.

create table workspaces (
    id text not null,
    created_at bigint not null,
    constraint workspaces_pkey primary key (id)
);

create table generations (
    id text not null,
    workspace text not null,
    user_id text not null,
    kind text not null,
    spec text not null,
    prompt_sealed bytea not null,
    findings text not null,
    notes text not null,
    purpose text not null,
    state text not null,
    demo boolean not null,
    priority bigint not null,
    estimated_micros bigint not null,
    estimated_currency text not null,
    request_id text,
    fault text,
    created_at bigint not null,
    updated_at bigint not null,
    finished_at bigint,
    deleted_at bigint,
    constraint generations_pkey primary key (id),
    constraint generations_workspace_fkey foreign key (workspace) references workspaces (id)
);
create index generations_page on generations (workspace, id) where deleted_at is null;
create index generations_deleted on generations (id) where deleted_at is not null;

create table jobs (
    id text not null,
    generation text not null,
    workspace text not null,
    ordinal bigint not null,
    kind text not null,
    provider text not null,
    state text not null,
    priority bigint not null,
    virtual_time bigint not null,
    run_at bigint not null,
    lease_until bigint,
    -- The later of run_at and lease_until while something is still to be done; null at the end.
    due_at bigint,
    epoch bigint not null,
    attempts_made bigint not null,
    failures bigint not null,
    deadline_at bigint not null,
    cancel_requested_at bigint,
    cancel_sent boolean not null,
    stage_since bigint not null,
    ceiling_micros bigint not null,
    ceiling_currency text not null,
    captured_micros bigint not null,
    captured_currency text not null,
    fault text,
    progress text,
    constraint jobs_pkey primary key (id),
    constraint jobs_generation_fkey foreign key (generation) references generations (id),
    constraint jobs_workspace_fkey foreign key (workspace) references workspaces (id)
);
create unique index jobs_of_generation on jobs (generation, ordinal);
create index jobs_ready on jobs (state, priority, virtual_time, id, provider) where state = 'ready';
create index jobs_waiting on jobs (workspace) where state = 'ready';
create index jobs_due on jobs (state, due_at) where due_at is not null;

create table attempts (
    id text not null,
    job text not null,
    workspace text not null,
    number bigint not null,
    provider text not null,
    state text not null,
    token_hash text not null,
    intent_at bigint not null,
    send_by bigint not null,
    epoch bigint not null,
    external_id text,
    ceiling_micros bigint not null,
    ceiling_currency text not null,
    cost_micros bigint,
    cost_currency text,
    fault text,
    constraint attempts_pkey primary key (id),
    constraint attempts_job_fkey foreign key (job) references jobs (id),
    constraint attempts_workspace_fkey foreign key (workspace) references workspaces (id)
);
create unique index attempts_one_open on attempts (job)
    where state in ('intent', 'submitted', 'running', 'unknown');
create unique index attempts_external_id on attempts (provider, external_id);
create unique index attempts_of_job on attempts (job, number);
create unique index attempts_token_hash on attempts (token_hash);
create index attempts_by_state on attempts (state);
create index attempts_at_provider on attempts (provider, id) where external_id is not null;

create table ledger (
    id text not null,
    at bigint not null,
    workspace text not null,
    job text not null,
    attempt text,
    reference text not null,
    posting text not null,
    amount_micros bigint not null,
    amount_currency text not null,
    constraint ledger_pkey primary key (id),
    constraint ledger_amount_check check (amount_micros >= 0),
    constraint ledger_workspace_fkey foreign key (workspace) references workspaces (id),
    constraint ledger_job_fkey foreign key (job) references jobs (id),
    constraint ledger_attempt_fkey foreign key (attempt) references attempts (id)
);
create unique index ledger_once on ledger (reference, posting);
create index ledger_of_job on ledger (job);

create table idempotency (
    workspace text not null,
    idempotency_key text not null,
    fingerprint text not null,
    generation text not null,
    created_at bigint not null,
    constraint idempotency_pkey primary key (workspace, idempotency_key),
    constraint idempotency_workspace_fkey foreign key (workspace) references workspaces (id)
);
create index idempotency_age on idempotency (created_at);

create table assets (
    id text not null,
    workspace text not null,
    user_id text not null,
    generation text,
    ordinal bigint not null,
    role text not null,
    media_type text not null,
    width bigint not null,
    height bigint not null,
    seconds_micros bigint,
    bytes bigint not null,
    sha256 text not null,
    blob text not null,
    hidden boolean not null,
    demo boolean not null,
    created_at bigint not null,
    deleted_at bigint,
    constraint assets_pkey primary key (id),
    constraint assets_workspace_fkey foreign key (workspace) references workspaces (id),
    constraint assets_generation_fkey foreign key (generation) references generations (id)
);
create unique index assets_output on assets (generation, ordinal) where role = 'output';
create index assets_of_generation on assets (generation, id);
create index assets_blob on assets (blob, workspace) where deleted_at is null;

create table uploads (
    id text not null,
    workspace text not null,
    user_id text not null,
    media_type text not null,
    length bigint not null,
    received bigint not null,
    asset text,
    created_at bigint not null,
    constraint uploads_pkey primary key (id),
    constraint uploads_received_check check (received >= 0 and received <= length),
    constraint uploads_workspace_fkey foreign key (workspace) references workspaces (id),
    constraint uploads_asset_fkey foreign key (asset) references assets (id)
);

create table upload_parts (
    upload text not null,
    workspace text not null,
    starts_at bigint not null,
    blob text not null,
    bytes bigint not null,
    constraint upload_parts_pkey primary key (upload, starts_at),
    constraint upload_parts_upload_fkey foreign key (upload) references uploads (id),
    constraint upload_parts_workspace_fkey foreign key (workspace) references workspaces (id)
);
create index upload_parts_blob on upload_parts (blob, workspace);

create table quotes (
    id text not null,
    workspace text not null,
    user_id text not null,
    spec text not null,
    price_micros bigint not null,
    price_currency text not null,
    ceiling_micros bigint not null,
    ceiling_currency text not null,
    created_at bigint not null,
    expires_at bigint not null,
    constraint quotes_pkey primary key (id),
    constraint quotes_workspace_fkey foreign key (workspace) references workspaces (id)
);

create table events (
    id text not null,
    at bigint not null,
    workspace text not null,
    topic text not null,
    generation text not null,
    state text not null,
    progress text,
    -- Null until sequenced: the order of commits is not the order of ids.
    seq bigint,
    constraint events_pkey primary key (id),
    constraint events_workspace_fkey foreign key (workspace) references workspaces (id),
    constraint events_generation_fkey foreign key (generation) references generations (id)
);
create unique index events_seq on events (seq) where seq is not null;
create index events_unsequenced on events (id) where seq is null;
create index events_of_workspace on events (workspace, seq);
create index events_age on events (at) where seq is not null;

create table audit_entries (
    id text not null,
    at bigint not null,
    workspace text,
    action text not null,
    object text not null,
    -- The canonical bytes: the leaf of the Merkle log.
    entry bytea not null,
    leaf_index bigint,
    constraint audit_entries_pkey primary key (id)
);
create unique index audit_entries_leaf on audit_entries (leaf_index) where leaf_index is not null;
create index audit_entries_unsequenced on audit_entries (id) where leaf_index is null;

create table audit_tiles (
    level bigint not null,
    idx bigint not null,
    hashes bytea not null,
    constraint audit_tiles_pkey primary key (level, idx)
);

create table audit_checkpoints (
    size bigint not null,
    root text not null,
    note text not null,
    at bigint not null,
    constraint audit_checkpoints_pkey primary key (size)
);

create table fair_queue (
    workspace text not null,
    last_virtual_time bigint not null,
    constraint fair_queue_pkey primary key (workspace),
    constraint fair_queue_workspace_fkey foreign key (workspace) references workspaces (id)
);
create index fair_queue_last on fair_queue (last_virtual_time);

create table singleton (
    name text not null,
    owner text not null,
    epoch bigint not null,
    until_at bigint not null,
    constraint singleton_pkey primary key (name)
);

create table meta (
    name text not null,
    value text not null,
    constraint meta_pkey primary key (name)
);
