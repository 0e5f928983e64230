-- The outbox: written by the transactions of the live projector, emptied by one relay.

-- name: add
-- $1 topics, $2 keys, $3 names of events, $4 their fields, side by side, in the order in which they are published.
INSERT INTO outbox (topic, key, event_type, payload)
SELECT topic, key, event_type, payload
FROM unnest($1::text[], $2::text[], $3::text[], $4::json[])
    WITH ORDINALITY AS added (topic, key, event_type, payload, number)
ORDER BY number;

-- name: day_state
-- The fields of DayState.
json_build_object(
    'site_id', {row}.site_id,
    'status', {row}.status,
    'worked_minutes', {row}.worked_minutes,
    'break_minutes', {row}.break_minutes,
    'overtime_minutes', {row}.overtime_minutes,
    'late', {row}.late,
    'late_minutes', {row}.late_minutes,
    'early', {row}.early,
    'early_minutes', {row}.early_minutes,
    'punch_count', {row}.punch_count,
    'first_in_at', {row}.first_in_at,
    'last_out_at', {row}.last_out_at,
    'missing', upper({row}.missing),
    'open_since', {row}.open_since
)

-- name: tell_days
-- Of a statement that gives org_id, the key of the day, day and previous. A day whose told fields are as before is not
-- told, such as one with another explanation.
WITH {before}changed AS (
    {statement}
)
INSERT INTO outbox (id, topic, key, event_type, payload)
SELECT
    id, '{topic}', person_id, 'AttendanceDayChanged',
    json_build_object(
        'event_id', gen_random_uuid(),
        'occurred_at', now(),
        'recorded_at', now(),
        'org_id', org_id,
        'person_id', person_id,
        'attendance_on', attendance_on,
        'shift_id', shift_id,
        'change', CASE WHEN previous IS NULL THEN 'CREATED' WHEN day IS NULL THEN 'REMOVED' ELSE 'UPDATED' END,
        'revision', id,
        'day', day,
        'previous', previous
    )
FROM (
    SELECT nextval('outbox_id_seq') AS id, *
    FROM changed
    WHERE day::text IS DISTINCT FROM previous::text
) AS told;

-- name: make_differing
-- Who has other days than before the switch, by month; of this connection, and gone with it.
CREATE TEMP TABLE IF NOT EXISTS differing (month date, person_id text, PRIMARY KEY (month, person_id));
TRUNCATE pg_temp.differing;

-- name: find_differing
-- $1: earlier dates are not compared, or null.
INSERT INTO pg_temp.differing (month, person_id)
SELECT DISTINCT date_trunc('month', attendance_on)::date, person_id
FROM (SELECT * FROM {live}.attendance_day WHERE $1::date IS NULL OR attendance_on >= $1::date) AS new
FULL JOIN (SELECT * FROM {previous}.attendance_day WHERE $1::date IS NULL OR attendance_on >= $1::date) AS old
    USING (person_id, attendance_on, shift_id)
WHERE {day}::text IS DISTINCT FROM {before}::text;

-- name: count_differing
SELECT count(*) FROM pg_temp.differing;

-- name: next_differing
-- $1: so many people, of one month or of months that follow each other.
SELECT month, array_agg(person_id ORDER BY person_id) AS people
FROM (SELECT month, person_id FROM pg_temp.differing ORDER BY month, person_id LIMIT $1) AS next
GROUP BY month
ORDER BY month;

-- name: forget_differing
DELETE FROM pg_temp.differing WHERE month = $1 AND person_id = ANY ($2::text[]);

-- name: waiting
-- How many rows wait to be published, counted to $1, and the first of them.
SELECT
    (SELECT count(*) FROM (SELECT FROM {live}.outbox WHERE refused IS NULL LIMIT $1) AS waiting) AS size,
    (SELECT min(id) FROM {live}.outbox WHERE refused IS NULL) AS first;

-- name: differing_days
-- $1: people; $2 and $3: the range of dates.
SELECT coalesce(new.org_id, old.org_id) AS org_id, person_id, attendance_on, shift_id, {day} AS day, {before} AS previous
FROM (
    SELECT * FROM {live}.attendance_day WHERE person_id = ANY ($1::text[]) AND attendance_on BETWEEN $2 AND $3
) AS new
FULL JOIN (
    SELECT * FROM {previous}.attendance_day WHERE person_id = ANY ($1::text[]) AND attendance_on BETWEEN $2 AND $3
) AS old USING (person_id, attendance_on, shift_id)

-- name: numbers_ahead
-- A database that was restored to an earlier instant gives no number again.
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
