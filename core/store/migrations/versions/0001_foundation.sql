-- The tenant's entities, its secrets, its audit log and its ledger.
-- Entities are never deleted while rows of the ledger name them: `removed_at` hides them.

CREATE TABLE policies (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text NOT NULL,
    settings    jsonb NOT NULL,                    -- core.policies.Policy, as the seed file writes it
    created_at  timestamptz NOT NULL DEFAULT now(),
    removed_at  timestamptz
);
CREATE UNIQUE INDEX policies_name ON policies (name) WHERE removed_at IS NULL;

CREATE TABLE clients (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text NOT NULL,
    policy_id   uuid REFERENCES policies,
    created_at  timestamptz NOT NULL DEFAULT now(),
    removed_at  timestamptz
);
CREATE UNIQUE INDEX clients_name ON clients (name) WHERE removed_at IS NULL;

CREATE TABLE teams (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    client_id   uuid NOT NULL REFERENCES clients,
    name        text NOT NULL,
    policy_id   uuid REFERENCES policies,
    created_at  timestamptz NOT NULL DEFAULT now(),
    removed_at  timestamptz
);
CREATE UNIQUE INDEX teams_name ON teams (client_id, name) WHERE removed_at IS NULL;

CREATE TABLE apps (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id     uuid NOT NULL REFERENCES teams,
    name        text NOT NULL,
    policy_id   uuid REFERENCES policies,
    created_at  timestamptz NOT NULL DEFAULT now(),
    removed_at  timestamptz
);
CREATE UNIQUE INDEX apps_name ON apps (team_id, name) WHERE removed_at IS NULL;

CREATE TABLE api_keys (
    id              text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{8}$'),
    app_id          uuid NOT NULL REFERENCES apps,
    name            text NOT NULL,
    policy_id       uuid REFERENCES policies,
    pepper_version  integer NOT NULL,
    digest          bytea NOT NULL CHECK (octet_length(digest) = 32),  -- HMAC-SHA-256 of the secret under the pepper
    secret_ref      text,                          -- where a key whose value was chosen came from
    expires_at      timestamptz,
    disabled_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    removed_at      timestamptz
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (app_id, name) WHERE removed_at IS NULL;

CREATE TABLE upstreams (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name          text NOT NULL,
    provider      text NOT NULL,
    endpoint      text NOT NULL,
    api_version   text,
    auth          jsonb NOT NULL,                  -- {"secret_ref": ...} | {"managed_identity": true, ...} | {"none": true}
    stream_usage  boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    removed_at    timestamptz
);
CREATE UNIQUE INDEX upstreams_name ON upstreams (name) WHERE removed_at IS NULL;

CREATE TABLE routes (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    model       text NOT NULL,                     -- what callers say
    fallback    text,
    downshift   text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    removed_at  timestamptz
);
CREATE UNIQUE INDEX routes_model ON routes (model) WHERE removed_at IS NULL;

CREATE TABLE targets (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    route_id     uuid NOT NULL REFERENCES routes,
    upstream_id  uuid NOT NULL REFERENCES upstreams,
    deployment   text NOT NULL,
    model        text,                             -- the provider's model, for the price; the deployment's name when null
    priority     integer NOT NULL DEFAULT 0,
    weight       integer NOT NULL DEFAULT 1 CHECK (weight > 0),
    UNIQUE (route_id, upstream_id, deployment)
);

CREATE TABLE budgets (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    scope        text NOT NULL,                    -- client:a | team:a/b | app:a/b/c | key:a/b/c/d
    period       text NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
    amount_usd   numeric(20, 9) NOT NULL CHECK (amount_usd >= 0),
    alerts       numeric[] NOT NULL,
    on_exceeded  text NOT NULL CHECK (on_exceeded IN ('block', 'throttle', 'downshift')),
    throttle     jsonb,
    created_at   timestamptz NOT NULL DEFAULT now(),
    removed_at   timestamptz
);
CREATE UNIQUE INDEX budgets_scope ON budgets (scope, period) WHERE removed_at IS NULL;

CREATE TABLE prices (
    provider        text NOT NULL,
    model           text NOT NULL,
    unit            text NOT NULL,                 -- input_token | cached_input_token | output_token
    usd             numeric(20, 9) NOT NULL CHECK (usd >= 0),
    per             bigint NOT NULL CHECK (per > 0),  -- so many units cost `usd`
    effective_from  date NOT NULL,
    PRIMARY KEY (provider, model, unit, effective_from)
);

CREATE TABLE secrets (                             -- what db:// names: AES-256-GCM under a master key
    name                text PRIMARY KEY,
    master_key_version  integer NOT NULL,
    nonce               bytea NOT NULL,
    ciphertext          bytea NOT NULL,
    updated_at          timestamptz NOT NULL DEFAULT now()
);

-- ── The snapshot's version ──────────────────────────────────────────────────────────────────────────────────────────
-- Any door that writes configuration, a psql prompt included, raises it and wakes every replica.

CREATE TABLE snapshot_version (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version    bigint NOT NULL
);
INSERT INTO snapshot_version (version) VALUES (1);

CREATE FUNCTION raise_snapshot_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    raised bigint;
BEGIN
    UPDATE snapshot_version SET version = version + 1 RETURNING version INTO raised;
    PERFORM pg_notify('aduana_snapshot', raised::text);
    RETURN NULL;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['policies', 'clients', 'teams', 'apps', 'api_keys', 'upstreams', 'routes', 'targets',
                                'budgets', 'prices', 'secrets'] LOOP
        EXECUTE format('CREATE TRIGGER raise_snapshot_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION raise_snapshot_version()', name);
    END LOOP;
END $$;

-- ── The audit log ───────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE audit_events (
    seq         bigint PRIMARY KEY,                -- dense from 1: a missing one is a removed one
    at          timestamptz NOT NULL,
    actor       text NOT NULL,                     -- who, and by which door: cli:root@host, seed:root@host, api:<oid>
    action      text NOT NULL,                     -- create | update | remove | rotate | disable | ...
    entity      text NOT NULL,                     -- client | team | app | api_key | policy | upstream | route | budget | price | secret
    entity_id   text NOT NULL,                     -- its path of names, or its id
    before      jsonb,                             -- secrets masked
    after       jsonb,
    request_id  text,
    prev_hash   bytea NOT NULL,
    hash        bytea NOT NULL                     -- SHA-256 over prev_hash and the canonical JSON of the row (core.audit)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ── The ledger ──────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE usage_events (
    id                    uuid NOT NULL,           -- UUIDv7: its first 48 bits are admitted_at in milliseconds
    admitted_at           timestamptz NOT NULL,
    kind                  text NOT NULL DEFAULT 'call',  -- call | batch | realtime | correction
    parent_id             uuid,
    client_id             uuid NOT NULL,
    team_id               uuid NOT NULL,
    app_id                uuid NOT NULL,
    key_id                text NOT NULL,
    caller                text NOT NULL,           -- client/team/app/key, by the names at the time
    request_id            text NOT NULL,
    endpoint              text NOT NULL,           -- chat.completions | completions | embeddings | responses | ...
    requested_model       text NOT NULL,
    route                 text NOT NULL,
    upstream              text,                    -- that answered, or was tried last
    deployment            text,
    status                integer,                 -- what the caller was answered; null: nothing was (hung up first, or orphaned)
    error_code            text,
    streamed              boolean NOT NULL,
    cancelled             boolean NOT NULL,
    input_tokens          bigint NOT NULL,         -- cached ones included
    cached_tokens         bigint NOT NULL,
    output_tokens         bigint NOT NULL,         -- reasoning ones included
    reasoning_tokens      bigint NOT NULL,
    usage_source          text NOT NULL,           -- reported | counted | estimated | none (nothing was billed)
    cost_usd              numeric(20, 9) NOT NULL,
    unpriced              boolean NOT NULL,
    time_to_first_byte_ms double precision,
    duration_ms           double precision,
    PRIMARY KEY (id, admitted_at)
) PARTITION BY RANGE (admitted_at);
CREATE INDEX usage_events_app ON usage_events (app_id, admitted_at);
CREATE INDEX usage_events_request ON usage_events (request_id);

CREATE TABLE usage_attempts (
    event_id             uuid NOT NULL,
    admitted_at          timestamptz NOT NULL,
    attempt              smallint NOT NULL,        -- from 1
    upstream             text NOT NULL,
    deployment           text NOT NULL,
    status               integer,                  -- null: no answer
    error_code           text,
    upstream_request_id  text,
    duration_ms          double precision NOT NULL,
    PRIMARY KEY (event_id, admitted_at, attempt)
) PARTITION BY RANGE (admitted_at);

-- Where rows go whose month has no partition yet; the writer makes the months ahead (core.ledger.partitions).
CREATE TABLE usage_events_default PARTITION OF usage_events DEFAULT;
CREATE TABLE usage_attempts_default PARTITION OF usage_attempts DEFAULT;

-- Calls that were admitted and have not settled: what becomes an estimate when its proxy is gone.
CREATE TABLE admitted_calls (
    id           uuid PRIMARY KEY,
    stream       text NOT NULL,
    incarnation  uuid NOT NULL,
    record       bytea NOT NULL,                   -- core.ledger.records.Admitted, as it came
    written_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX admitted_calls_incarnation ON admitted_calls (stream, incarnation);

-- How far each proxy incarnation's records are committed, and when it was last heard.
CREATE TABLE ledger_watermarks (
    stream       text NOT NULL,                    -- a client's id; of a spool: spool:<incarnation>
    incarnation  uuid NOT NULL,
    seq          bigint NOT NULL,
    heard_at     timestamptz NOT NULL,             -- by the database's clock, when its last records were committed
    PRIMARY KEY (stream, incarnation)
);

-- A row a stream: locked by the writer that drains it.
CREATE TABLE ledger_streams (
    stream         text PRIMARY KEY,
    drained_since  timestamptz,                    -- a writer has found its end again and again since then,
    drained_at     timestamptz                     -- and last here: only then is an unheard proxy a dead one
);

-- Records that could not become a row: kept for a person to look at, so that they never block a stream.
CREATE TABLE ledger_rejects (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    stream       text NOT NULL,
    incarnation  uuid,
    seq          bigint,
    reason       text NOT NULL,
    record       bytea NOT NULL
);

CREATE TABLE usage_rollups (
    hour              timestamptz NOT NULL,
    client_id         uuid NOT NULL,
    team_id           uuid NOT NULL,
    app_id            uuid NOT NULL,
    key_id            text NOT NULL,
    model             text NOT NULL,               -- as requested
    upstream          text NOT NULL,               -- '' where none was reached
    calls             bigint NOT NULL,
    errors            bigint NOT NULL,             -- status of 400 or more, or none
    estimated         bigint NOT NULL,
    input_tokens      bigint NOT NULL,
    cached_tokens     bigint NOT NULL,
    output_tokens     bigint NOT NULL,
    reasoning_tokens  bigint NOT NULL,
    cost_usd          numeric(24, 9) NOT NULL,
    PRIMARY KEY (hour, client_id, team_id, app_id, key_id, model, upstream)
);

-- Without Redis one process may serve: it holds this row's lock while it lives (core.store.sole).
CREATE TABLE sole_proxy (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    holder      text,
    held_since  timestamptz
);
INSERT INTO sole_proxy DEFAULT VALUES;
