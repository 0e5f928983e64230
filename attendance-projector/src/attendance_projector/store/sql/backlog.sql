-- The backlog: dates of people that wait to be computed again, and locks of periods that wait for them.

-- name: add
-- $1 organisations, $2 people, $3 first and $4 last dates, side by side; null: open.
INSERT INTO stale_span (org_id, person_id, first_on, last_on)
SELECT org_id, person_id, first_on, last_on
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[])
    WITH ORDINALITY AS stale (org_id, person_id, first_on, last_on, position)
ORDER BY position;

-- name: claim
SELECT pg_try_advisory_xact_lock(hashtext('attendance-projector backlog'), hashtext(current_schema()));

-- name: oldest
SELECT number, org_id, person_id, first_on, last_on
FROM stale_span
WHERE refused IS NULL
ORDER BY number
LIMIT $1;

-- name: keep
SELECT number, org_id, person_id, first_on, last_on
FROM stale_span
WHERE number = ANY ($1::bigint[]) AND refused IS NULL
ORDER BY number;

-- name: remove
DELETE FROM stale_span WHERE number = ANY ($1::bigint[]);

-- name: shorten
-- $1 numbers, $2 first and $3 last dates, side by side.
UPDATE stale_span AS span
SET first_on = rest.first_on, last_on = rest.last_on
FROM unnest($1::bigint[], $2::date[], $3::date[]) AS rest (number, first_on, last_on)
WHERE span.number = rest.number;

-- name: refuse
UPDATE stale_span SET refused = $2 WHERE number = ANY ($1::bigint[]);

-- name: holds_up
-- $1 organisation, $2 last date of a period. Earlier days count: what they differ by may be booked in the period.
SELECT EXISTS (SELECT FROM stale_span WHERE org_id = $1 AND coalesce(first_on, '-infinity') <= $2);

-- name: waits
-- $1 organisation, $2 person, $3 date.
SELECT EXISTS (
    SELECT FROM stale_span
    WHERE org_id = $1 AND person_id = $2
        AND $3 BETWEEN coalesce(first_on, '-infinity') AND coalesce(last_on, 'infinity')
);

-- name: put_off
INSERT INTO untold_lock (org_id, lock_id, ends_on, event) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: next_lock
SELECT event::text
FROM untold_lock AS lock
WHERE NOT EXISTS (
    SELECT FROM stale_span AS span
    WHERE span.org_id = lock.org_id AND coalesce(span.first_on, '-infinity') <= lock.ends_on
)
ORDER BY org_id, lock_id
LIMIT 1;

-- name: remove_lock
DELETE FROM untold_lock WHERE org_id = $1 AND lock_id = $2;

-- name: waiting
-- How many spans wait, how many of them were refused, and since when the oldest waits.
SELECT count(*), count(refused), min(waits_since) FROM stale_span;
