-- Who is in, for the cache.

-- name: only_keeper
-- Held by the connection of the one keeper of this database, and gone with it.
SELECT pg_try_advisory_lock(hashtext('attendance-projector presence'), 0);

-- name: open_days
-- $1: days open since later than this.
SELECT org_id, site_id, person_id, attendance_on, shift_id, open_since
FROM open_day
WHERE open_since > $1;

-- name: newest_revisions
-- Of changes that are not published yet: the tables of the same snapshot have them.
SELECT key, max(id) AS revision FROM outbox WHERE topic = $1 GROUP BY key;

-- name: is_told
-- $1: how old a change may be that is not published yet.
SELECT coalesce(
    (SELECT created_at FROM outbox WHERE refused IS NULL ORDER BY id LIMIT 1) > clock_timestamp() - $1::interval,
    true
);
