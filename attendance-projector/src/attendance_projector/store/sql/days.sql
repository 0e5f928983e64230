-- Days and the places of punches, recomputed for spans of dates of people.

-- name: extents
-- $1 organisations and $2 people, side by side; $3: the days between a punch and the farthest day that can own it.
SELECT asked.org_id, asked.person_id, extent.first_on, extent.last_on
FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
CROSS JOIN LATERAL (
    SELECT min(first_on) AS first_on, max(last_on) AS last_on
    FROM (
        SELECT (min(occurred_at) AT TIME ZONE 'UTC')::date - $3::int AS first_on,
            (max(occurred_at) AT TIME ZONE 'UTC')::date + $3::int AS last_on
        FROM punch
        WHERE punch.org_id = asked.org_id AND punch.person_id = asked.person_id
        UNION ALL
        SELECT min(attendance_on), max(attendance_on)
        FROM attendance_day AS day
        WHERE day.org_id = asked.org_id AND day.person_id = asked.person_id
        UNION ALL
        SELECT min(attendance_on), max(attendance_on)
        FROM correction
        WHERE correction.org_id = asked.org_id AND correction.person_id = asked.person_id
        UNION ALL
        SELECT min(attendance_on), max(attendance_on)
        FROM adjustment
        WHERE adjustment.org_id = asked.org_id AND adjustment.person_id = asked.person_id
    ) AS extent
) AS extent
WHERE extent.first_on IS NOT NULL;

-- name: punches_of_spans
-- $1 organisations, $2 people, $3 first and $4 last instants, side by side; $5 and $6 their range, so that partitions
-- are pruned.
-- OFFSET 0 keeps the subquery whole: one probe of the index for each span. A new partition has no statistics,
-- and a join that the planner is free to choose reads all of it.
SELECT found.*
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS span (org_id, person_id, first_at, last_at)
CROSS JOIN LATERAL (
    SELECT punch.org_id, punch.punch_id, punch.occurred_at, punch.person_id, punch.direction, punch.method,
        punch.placement, punch.placed_on, punch.placed_shift_id
    FROM punch
    WHERE punch.org_id = span.org_id
        AND punch.person_id = span.person_id
        AND punch.occurred_at BETWEEN span.first_at AND span.last_at
        AND punch.occurred_at BETWEEN $5 AND $6
    OFFSET 0
) AS found;

-- name: days_of_spans
-- $1 organisations, $2 people, $3 first and $4 last dates, side by side; $5 and $6 their range, so that partitions are
-- pruned.
SELECT found.*
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[]) AS span (org_id, person_id, first_on, last_on)
CROSS JOIN LATERAL (
    SELECT day.org_id, day.person_id, day.attendance_on, day.shift_id
    FROM attendance_day AS day
    WHERE day.org_id = span.org_id
        AND day.person_id = span.person_id
        AND day.attendance_on BETWEEN span.first_on AND span.last_on
        AND day.attendance_on BETWEEN $5 AND $6
    OFFSET 0
) AS found;

-- name: days_in_arrays
SELECT * FROM unnest({values}) AS given ({columns})

-- name: staged_days
-- A transaction can stage days more than once.
DELETE FROM staged_day RETURNING {columns}

-- name: keep_beside
-- For a WITH, after `given`: what is kept apart of the days given, written where it is another than before.
explained AS (
    INSERT INTO day_explanation AS stored ({key}, explanation)
    SELECT {key}, explanation FROM given
    ON CONFLICT ({key}) DO UPDATE SET explanation = excluded.explanation
    WHERE stored.explanation <> excluded.explanation
), opened AS (
    INSERT INTO open_day AS stored ({key}, site_id, open_since)
    SELECT {key}, site_id, open_since FROM given WHERE open_since IS NOT NULL
    ON CONFLICT ({key}) DO UPDATE SET site_id = excluded.site_id, open_since = excluded.open_since
    WHERE stored IS DISTINCT FROM excluded
), closed AS (
    DELETE FROM open_day AS stored USING given WHERE {same_key} AND given.open_since IS NULL
), undecided AS (
    INSERT INTO unsettled_day AS stored ({key}, closes_at, absence)
    SELECT {key}, closes_at, absence FROM given WHERE absence IS NOT NULL
    ON CONFLICT ({key}) DO UPDATE SET closes_at = excluded.closes_at, absence = excluded.absence
    WHERE stored IS DISTINCT FROM excluded
), decided AS (
    DELETE FROM unsettled_day AS stored USING given WHERE {same_key} AND given.absence IS NULL
)

-- name: merge_days
-- After that: the days themselves. One that came out as it was is not written.
INSERT INTO attendance_day AS stored ({columns})
SELECT {columns} FROM given
ON CONFLICT ({key}) DO UPDATE SET {updates}
WHERE stored IS DISTINCT FROM excluded

-- name: days_by_key
-- $1 organisations, $2 people, $3 dates, $4 shifts, side by side.
SELECT * FROM unnest($1::text[], $2::text[], $3::date[], $4::text[]) AS gone ({key})

-- name: forget_beside
-- For a WITH, after `given`: nothing is kept apart of the days given. {first_on} and {last_on}: the range of the dates, so
-- that partitions are pruned.
explained AS (
    DELETE FROM day_explanation AS stored USING given
    WHERE {same_key} AND stored.attendance_on BETWEEN {first_on} AND {last_on}
), closed AS (
    DELETE FROM open_day AS stored USING given WHERE {same_key}
), decided AS (
    DELETE FROM unsettled_day AS stored USING given WHERE {same_key}
)

-- name: remove_days
-- After that: the days themselves.
DELETE FROM attendance_day AS stored USING given
WHERE {same_key} AND stored.attendance_on BETWEEN {first_on} AND {last_on}

-- name: move_punches
-- $1 to $6 are punches and their places, side by side; $7 and $8 the range of the punches.
UPDATE punch
SET placement = moved.placement, placed_on = moved.placed_on, placed_shift_id = moved.placed_shift_id
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::date[], $6::text[])
    AS moved (org_id, punch_id, occurred_at, placement, placed_on, placed_shift_id)
WHERE punch.org_id = moved.org_id
    AND punch.punch_id = moved.punch_id
    AND punch.occurred_at = moved.occurred_at
    AND punch.occurred_at BETWEEN $7 AND $8;
