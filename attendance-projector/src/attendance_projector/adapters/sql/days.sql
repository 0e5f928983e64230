-- Days and the places of punches, recomputed for spans of dates of people.

-- name: punch_extents
SELECT person_id, min(occurred_at) AS first_at, max(occurred_at) AS last_at
FROM punch
WHERE person_id = ANY ($1::text[])
GROUP BY person_id;

-- name: punches_of_spans
-- $1 people, $2 first and $3 last instants, side by side; $4 and $5 their range, so that partitions are pruned.
SELECT punch.punch_id, punch.occurred_at, punch.person_id, punch.direction, punch.method,
    punch.placement, punch.placed_on, punch.placed_shift_id
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS span (person_id, first_at, last_at)
JOIN punch ON punch.person_id = span.person_id
    AND punch.occurred_at BETWEEN span.first_at AND span.last_at
    AND punch.occurred_at BETWEEN $4 AND $5;

-- name: remove_vanished_days
-- $1 and $2 are the range of all spans, so that partitions are pruned.
DELETE FROM attendance_day AS day
USING staged_span AS span
WHERE day.person_id = span.person_id
    AND day.attendance_on BETWEEN span.first_on AND span.last_on
    AND day.attendance_on BETWEEN $1 AND $2
    AND NOT EXISTS (
        SELECT FROM staged_day
        WHERE staged_day.person_id = day.person_id
            AND staged_day.attendance_on = day.attendance_on
            AND staged_day.shift_id = day.shift_id
    );

-- name: merge_days
-- A day that came out as it was is not written.
INSERT INTO attendance_day AS day
SELECT * FROM staged_day
ON CONFLICT (person_id, attendance_on, shift_id) DO UPDATE SET
    org_id = excluded.org_id,
    site_id = excluded.site_id,
    status = excluded.status,
    worked_minutes = excluded.worked_minutes,
    first_in_at = excluded.first_in_at,
    last_out_at = excluded.last_out_at,
    late = excluded.late,
    late_minutes = excluded.late_minutes,
    early = excluded.early,
    early_minutes = excluded.early_minutes,
    missing = excluded.missing,
    open_since = excluded.open_since,
    punch_count = excluded.punch_count,
    explanation = excluded.explanation,
    shift_effective_on = excluded.shift_effective_on,
    break_minutes = excluded.break_minutes,
    overtime_minutes = excluded.overtime_minutes
WHERE day IS DISTINCT FROM excluded;

-- name: move_punches
-- $1 and $2 are the range of the punches, so that partitions are pruned.
UPDATE punch
SET placement = moved.placement, placed_on = moved.placed_on, placed_shift_id = moved.placed_shift_id
FROM staged_placement AS moved
WHERE punch.punch_id = moved.punch_id
    AND punch.occurred_at = moved.occurred_at
    AND punch.occurred_at BETWEEN $1 AND $2;

-- name: empty_staging
TRUNCATE staged_span, staged_day, staged_placement;
