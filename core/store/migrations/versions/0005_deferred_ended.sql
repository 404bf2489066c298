-- The writer removes what was accounted for long ago.
CREATE INDEX deferred_usage_ended ON deferred_usage (ended_at) WHERE ended_at IS NOT NULL;
