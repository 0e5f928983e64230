-- Which days are others than before a switch or rollback, for followers of the change feed.

-- name: make_differing
-- Who has other days than before the switch, by month; of this connection, and gone with it.
CREATE TEMP TABLE IF NOT EXISTS differing (
    month date, org_id text COLLATE "C", person_id text COLLATE "C", PRIMARY KEY (month, org_id, person_id)
);
TRUNCATE pg_temp.differing;

-- name: find_differing
-- $1: earlier dates are not compared, or null.
INSERT INTO pg_temp.differing (month, org_id, person_id)
SELECT DISTINCT date_trunc('month', attendance_on)::date, org_id, person_id
FROM (SELECT * FROM {live}.attendance_day WHERE $1::date IS NULL OR attendance_on >= $1::date) AS new
FULL JOIN (SELECT * FROM {previous}.attendance_day WHERE $1::date IS NULL OR attendance_on >= $1::date) AS old
    USING (org_id, person_id, attendance_on, shift_id)
WHERE {day}::text IS DISTINCT FROM {before}::text;

-- name: count_differing
SELECT count(*) FROM pg_temp.differing;

-- name: next_differing
-- $1: so many people, of one month or of months that follow each other.
SELECT month, array_agg(org_id ORDER BY org_id, person_id) AS org_ids, array_agg(person_id ORDER BY org_id, person_id) AS person_ids
FROM (SELECT * FROM pg_temp.differing ORDER BY month, org_id, person_id LIMIT $1) AS next
GROUP BY month
ORDER BY month;

-- name: forget_differing
-- $2 organisations and $3 people, side by side.
DELETE FROM pg_temp.differing
WHERE month = $1 AND (org_id, person_id) IN (SELECT * FROM unnest($2::text[], $3::text[]));

-- name: waiting
-- How many rows wait to be published, counted to $1, and the first of them.
SELECT
    (SELECT count(*) FROM (SELECT FROM {live}.outbox WHERE refused IS NULL LIMIT $1) AS waiting) AS size,
    (SELECT min(id) FROM {live}.outbox WHERE refused IS NULL) AS first;

-- name: differing_days
-- $1 organisations and $2 people, side by side; $3 and $4: the range of dates.
SELECT org_id, person_id, attendance_on, shift_id, {day} AS day, {before} AS previous
FROM (
    SELECT day.*
    FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
    JOIN {live}.attendance_day AS day USING (org_id, person_id)
    WHERE attendance_on BETWEEN $3 AND $4
) AS new
FULL JOIN (
    SELECT day.*
    FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
    JOIN {previous}.attendance_day AS day USING (org_id, person_id)
    WHERE attendance_on BETWEEN $3 AND $4
) AS old USING (org_id, person_id, attendance_on, shift_id)
