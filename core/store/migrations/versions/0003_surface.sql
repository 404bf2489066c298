-- The whole OpenAI surface: settings of upstreams and routes, callers known by Entra ID, objects and their owners, usage in
-- units other than tokens, and usage that is known only later.

ALTER TABLE upstreams ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';  -- timeouts, max_connections, objects, ... (the set ones)
ALTER TABLE routes ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';     -- aliases, parameters, affinity, ... (the set ones)
ALTER TABLE targets ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';    -- spill_at, max_in_flight

-- Who may call without a proxy key: an application, a person or a role of the tenant's Entra ID. To the ledger and the limits
-- an identity is what a key is: its id stands where a key's does, and no key has one like it.
CREATE TABLE identities (
    id           text PRIMARY KEY CHECK (id ~ '^~[0-9A-Za-z]{8}$'),
    app_id       uuid NOT NULL REFERENCES apps,
    name         text NOT NULL,
    policy_id    uuid REFERENCES policies,
    claim        text NOT NULL CHECK (claim IN ('application', 'object', 'role')),  -- azp/appid, oid, roles
    value        text NOT NULL,
    disabled_at  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    removed_at   timestamptz
);
CREATE UNIQUE INDEX identities_name ON identities (app_id, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX identities_value ON identities (claim, value) WHERE removed_at IS NULL;
CREATE TRIGGER raise_snapshot_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON identities
    FOR EACH STATEMENT EXECUTE FUNCTION raise_snapshot_version();

-- What callers made at the providers (files, responses, batches, ...): whose it is and where it lives. An owner never changes.
CREATE TABLE objects (
    id          text PRIMARY KEY,                  -- the provider's
    kind        text NOT NULL,                     -- file | response | batch | ... (proxy.endpoints)
    client_id   uuid NOT NULL,
    team_id     uuid NOT NULL,
    app_id      uuid NOT NULL,
    key_id      text NOT NULL,                     -- that made it
    upstream    text NOT NULL,                     -- the name of the one that has it
    model       text,                              -- as its maker asked for it; null: none was named
    parent_id   text,                              -- the object that it is part of
    details     jsonb NOT NULL DEFAULT '{}',       -- what the gateway has to know of it: purpose, estimates
    created_at  timestamptz NOT NULL,
    removed_at  timestamptz
);
CREATE INDEX objects_listed ON objects (app_id, kind, created_at, id) WHERE removed_at IS NULL;

-- Usage that is known when something at the provider has ended: a batch, a job, a background response.
CREATE TABLE deferred_usage (
    object_id      text PRIMARY KEY,
    kind           text NOT NULL,
    stream         text NOT NULL,                  -- of the client
    record         bytea NOT NULL,                 -- what its event starts from (core.ledger.records.Call)
    upstream       text NOT NULL,
    path           text NOT NULL,                  -- where its state is asked for, below the upstream's surface
    due_at         timestamptz NOT NULL,
    claimed_until  timestamptz,                    -- by the process that is asking now
    attempts       integer NOT NULL DEFAULT 0,
    problem        text,                           -- why it could not be accounted for the last time
    ended_at       timestamptz
);
CREATE INDEX deferred_usage_due ON deferred_usage (due_at) WHERE ended_at IS NULL;

-- Billed units that are no text tokens, by the names that prices have: {"audio_input_token": 120, "image:1024x1024/hd": 2}.
-- Tokens among them are part of the event's input or output tokens.
ALTER TABLE usage_events ADD COLUMN units jsonb NOT NULL DEFAULT '{}';
CREATE INDEX usage_events_units ON usage_events (admitted_at) WHERE units <> '{}';  -- what was used by unit, of any span

-- Under which pepper proxies bring the keys that they see: what `aduana secrets rotate` says once every proxy holds it.
CREATE TABLE pepper_rotation (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version    integer NOT NULL,
    since      timestamptz NOT NULL DEFAULT now()
);
