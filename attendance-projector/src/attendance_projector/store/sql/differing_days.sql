-- Which days are others than before a switch or rollback, for followers of the change feed.

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
