-- What was done to this installation once, and is not done again.
CREATE TABLE installation (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    seeded_at  timestamptz,                        -- the first configuration was applied, or was found to be there
    seed_hash  bytea                               -- SHA-256 of that seed file; null: none was applied
);
INSERT INTO installation DEFAULT VALUES;

-- Attaching a partition takes the owner of the table. The writer's role owns nothing: it has this done, one month at a time.
DO $make$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION make_usage_partition(ledger text, first timestamptz) RETURNS bigint
            LANGUAGE plpgsql SECURITY DEFINER SET search_path TO %I, pg_temp SET timezone TO 'UTC' AS $function$
        DECLARE
            after timestamptz := first + interval '1 month';
            name text := ledger || to_char(first, '_YYYY_MM');
            moved bigint;
        BEGIN
            IF ledger NOT IN ('usage_events', 'usage_attempts') OR first <> date_trunc('month', first) THEN
                RAISE EXCEPTION 'partitions are made of the ledger, of whole months';
            END IF;
            PERFORM pg_advisory_xact_lock(6382704);
            -- Not to_regclass: it may answer from a cache of before the lock was waited for.
            IF EXISTS (SELECT FROM pg_class WHERE relname = name AND relnamespace = current_schema()::regnamespace) THEN
                RETURN NULL;
            END IF;
            -- No row of the month may arrive in the default partition between the move and the attachment.
            EXECUTE format('LOCK TABLE %%I IN ACCESS EXCLUSIVE MODE', ledger || '_default');
            EXECUTE format('CREATE TABLE %%I (LIKE %%I INCLUDING ALL)', name, ledger);
            EXECUTE format('WITH moved AS (DELETE FROM %%I WHERE admitted_at >= $1 AND admitted_at < $2 RETURNING *) '
                           'INSERT INTO %%I SELECT * FROM moved', ledger || '_default', name) USING first, after;
            GET DIAGNOSTICS moved = ROW_COUNT;
            EXECUTE format('ALTER TABLE %%I ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)', ledger, name, first, after);
            RETURN moved;
        END $function$
    $create$, current_schema());
END $make$;
REVOKE ALL ON FUNCTION make_usage_partition FROM PUBLIC;
