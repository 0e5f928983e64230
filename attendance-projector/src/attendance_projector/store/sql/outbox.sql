-- The outbox: written by the transactions of the live projector, emptied by one relay.

-- name: add
-- $1 topics, $2 keys, $3 names of events, $4 their fields, side by side, in the order in which they are published.
INSERT INTO outbox (topic, key, event_type, payload)
SELECT topic, key, event_type, payload
FROM unnest($1::text[], $2::text[], $3::text[], $4::json[])
    WITH ORDINALITY AS added (topic, key, event_type, payload, number)
ORDER BY number;

-- name: only_one_sets_numbers
-- Before numbers_ahead, so that of two who set them the later one sees what the other gave meanwhile.
SELECT pg_advisory_xact_lock(hashtext('attendance-projector outbox numbers'), 0);

-- name: numbers_ahead
-- A database that was restored to an earlier instant, or a standby that lagged, gives no number again.
SELECT setval('outbox_id_seq', newest)
FROM outbox_id_seq, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS newest
WHERE last_value < newest;

-- name: only_relay
-- Held by the connection of the one relay of this database, and gone with it.
SELECT pg_try_advisory_lock(hashtext('attendance-projector relay'), 0);

-- name: first_rows
SELECT id, topic, key, event_type, payload::text AS payload
FROM outbox
WHERE refused IS NULL
ORDER BY id
LIMIT $1;

-- name: remove
DELETE FROM outbox WHERE id = ANY ($1::bigint[]);

-- name: clear
-- Who looks for the oldest rows passes over all that were removed; in a backlog autovacuum comes too late.
VACUUM (SKIP_LOCKED, TRUNCATE OFF, INDEX_CLEANUP ON) outbox;

-- name: refuse
UPDATE outbox SET refused = $2 WHERE id = $1;

-- name: backlog
-- $1: where counting ends.
SELECT
    (SELECT count(*) FROM (SELECT FROM outbox WHERE refused IS NULL LIMIT $1) AS waiting) AS size,
    (
        SELECT extract(epoch FROM clock_timestamp() - created_at)::float
        FROM outbox WHERE refused IS NULL ORDER BY id LIMIT 1
    ) AS oldest_seconds;

-- name: told_by_this_transaction
-- Changes of days that this transaction has told so far, in their order.
SELECT payload::text AS payload
FROM outbox
WHERE xmin = pg_current_xact_id()::xid AND event_type = 'AttendanceDayChanged'
ORDER BY id;
