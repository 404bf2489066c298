"""A tenant written in plain SQL, as an administrator at a prompt would: what the snapshot's tests read."""

import psycopg

from core import keys

PEPPER = b"pepper-of-the-tests-0123456789abcdef"
PEPPERS = keys.Peppers({1: PEPPER})


def write_tenant(database_url: str) -> keys.NewKey:
    """One client, team, app and key; an upstream, a route `gpt-4o` to it, a price; one sealed secret."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """
            INSERT INTO policies (name, settings) VALUES ('standard', '{"allowed_models": ["gpt-4o", "gpt-4o-mini"]}');
            INSERT INTO clients (name, policy_id) SELECT 'contoso', id FROM policies;
            INSERT INTO teams (client_id, name) SELECT id, 'research' FROM clients;
            INSERT INTO apps (team_id, name) SELECT id, 'chatbot' FROM teams;
            INSERT INTO upstreams (name, provider, endpoint, auth)
                 VALUES ('aoai', 'azure_openai', 'https://contoso.example/', '{"secret_ref": "env:AOAI"}');
            INSERT INTO routes (model, fallback) VALUES ('gpt-4o', 'gpt-4o-mini');
            INSERT INTO targets (route_id, upstream_id, deployment)
                 SELECT routes.id, upstreams.id, 'gpt-4o' FROM routes, upstreams;
            INSERT INTO prices (provider, model, unit, usd, per, effective_from)
                 VALUES ('azure_openai', 'gpt-4o', 'input_token', 2.50, 1000000, '2024-10-01'),
                        ('azure_openai', 'gpt-4o', 'output_token', 10, 1000000, '2024-10-01');
            INSERT INTO secrets (name, master_key_version, nonce, ciphertext) VALUES ('sealed', 1, '\\x01', '\\x02');
            """
        )
    return add_key(database_url, "prod")


def add_key(database_url: str, name: str) -> keys.NewKey:
    """A further key of the one app."""
    new = keys.generate()
    version, digest = PEPPERS.digest(new.secret)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO api_keys (id, app_id, name, pepper_version, digest) SELECT %s, id, %s, %s, %s FROM apps",
            (new.id, name, version, digest),
        )
    return new


def execute(database_url: str, statement: str, **values: object) -> None:
    """One statement, committed."""
    with psycopg.connect(database_url) as connection:
        connection.execute(statement, values)
