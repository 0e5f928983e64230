-- Locked periods: the locks, what stood then, and the adjustments that follow. Organisations ($1) come first, side by side
-- with what is theirs. {columns}, {kept} and so on: see period_rows.py.

-- name: known
SELECT org_id, lock_id, site_id, starts_on, ends_on, made_by, reason, recorded_at, sealing_id, reopening_id, reopened_at
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, lock_id)
JOIN period_lock USING (org_id, lock_id);

-- name: store_lock
INSERT INTO period_lock AS stored (org_id, lock_id, site_id, starts_on, ends_on, made_by, reason, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (org_id, lock_id) DO UPDATE SET
    site_id = excluded.site_id,
    starts_on = excluded.starts_on,
    ends_on = excluded.ends_on,
    made_by = excluded.made_by,
    reason = excluded.reason,
    recorded_at = excluded.recorded_at
WHERE stored.recorded_at IS NULL;

-- name: store_person_count
INSERT INTO period_lock AS stored (org_id, lock_id, sealing_id, person_count) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, lock_id) DO UPDATE SET sealing_id = excluded.sealing_id, person_count = excluded.person_count
WHERE stored.sealing_id IS NULL;

-- name: store_reopening
INSERT INTO period_lock AS stored (org_id, lock_id, reopening_id, reopened_by, reopened_because, reopened_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id, lock_id) DO UPDATE SET
    reopening_id = excluded.reopening_id,
    reopened_by = excluded.reopened_by,
    reopened_because = excluded.reopened_because,
    reopened_at = excluded.reopened_at
WHERE stored.reopened_at IS NULL;

-- name: store_people
-- $2 locks, $3 sealings, $4 people. Returned are those of whom nothing was stored.
INSERT INTO locked_person (org_id, lock_id, sealing_id, person_id)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[])
ON CONFLICT DO NOTHING
RETURNING org_id, lock_id, sealing_id, person_id;

-- name: decide_force
UPDATE period_lock AS lock
SET in_force = NOT lock.in_force
FROM (
    SELECT org_id, lock_id, starts_on IS NOT NULL AND sealing_id IS NOT NULL AND reopened_at IS NULL
        AND person_count <= (
            SELECT count(*)
            FROM locked_person AS person
            WHERE person.org_id = asked.org_id AND person.lock_id = asked.lock_id
                AND person.sealing_id = asked.sealing_id
        ) AS in_force
    FROM period_lock AS asked
    JOIN unnest($1::text[], $2::uuid[]) AS named (org_id, lock_id) USING (org_id, lock_id)
) AS due
WHERE due.org_id = lock.org_id AND due.lock_id = lock.lock_id AND due.in_force <> lock.in_force
RETURNING lock.org_id, lock.lock_id, lock.in_force;

-- name: lock
SELECT org_id, lock_id, sealing_id, site_id, starts_on, ends_on, in_force
FROM period_lock
WHERE org_id = $1 AND lock_id = $2;

-- name: stale_days
-- $1 organisation, $2 lock, $3 sealing, $4 site or null, $5 and $6 the period, $7: it is in force now.
-- In force: where another day is stored than was locked. No longer: the whole period of all whom it covered. Both:
-- what was adjusted until the end of the period, since it may be booked, or settled, elsewhere now.
WITH stored AS (
    SELECT {kept}
    FROM attendance_day AS day
    JOIN day_explanation AS why USING (org_id, person_id, attendance_on, shift_id)
    WHERE $7::boolean AND day.org_id = $1 AND day.attendance_on BETWEEN $5 AND $6
        AND ($4::text IS NULL OR EXISTS (
            SELECT FROM locked_person AS covered
            WHERE covered.org_id = $1 AND covered.lock_id = $2 AND covered.sealing_id = $3
                AND covered.person_id = day.person_id
        ))
), locked AS (
    SELECT {locked}
    FROM locked_day AS day
    WHERE $7::boolean AND day.org_id = $1 AND day.lock_id = $2 AND day.sealing_id = $3
)
SELECT org_id, person_id, attendance_on AS first_on, attendance_on AS last_on
FROM ((TABLE stored EXCEPT TABLE locked) UNION ALL (TABLE locked EXCEPT TABLE stored)) AS differing
UNION
SELECT org_id, person_id, $5::date, $6::date
FROM locked_person
WHERE NOT $7::boolean AND org_id = $1 AND lock_id = $2 AND sealing_id = $3
UNION
SELECT org_id, person_id, attendance_on, attendance_on
FROM locked_adjustment
WHERE org_id = $1 AND lock_id = $2 AND sealing_id = $3
UNION
SELECT adjustment.org_id, adjustment.person_id, adjustment.attendance_on, adjustment.attendance_on
FROM adjustment
WHERE adjustment.org_id = $1 AND adjustment.attendance_on <= $6
    AND ($4::text IS NULL OR EXISTS (
        SELECT FROM locked_person AS covered
        WHERE covered.org_id = $1 AND covered.lock_id = $2 AND covered.sealing_id = $3
            AND covered.person_id = adjustment.person_id
    ));

-- name: forget_adjustments
-- $1 organisation, $2 lock, $3 sealing, $4 site or null, $5 the end of the period, $6: earlier days are final, or null.
DELETE FROM adjustment
WHERE org_id = $1 AND attendance_on <= $5 AND ($6::date IS NULL OR attendance_on >= $6::date)
    AND ($4::text IS NULL OR EXISTS (
        SELECT FROM locked_person AS covered
        WHERE covered.org_id = $1 AND covered.lock_id = $2 AND covered.sealing_id = $3
            AND covered.person_id = adjustment.person_id
    ));

-- name: in_force
SELECT org_id, lock_id, sealing_id, site_id, starts_on, ends_on, made_by, reason, recorded_at
FROM period_lock
WHERE in_force AND org_id = ANY ($1::text[]) AND ends_on >= $2;

-- name: covered
-- $2 locks; $3 organisations and $4 people, side by side.
SELECT person.org_id, person.lock_id, person.person_id
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, lock_id)
JOIN period_lock AS lock ON lock.org_id = asked.org_id AND lock.lock_id = asked.lock_id
JOIN locked_person AS person ON person.org_id = lock.org_id AND person.lock_id = lock.lock_id
    AND person.sealing_id = lock.sealing_id
WHERE (person.org_id, person.person_id) IN (SELECT * FROM unnest($3::text[], $4::text[]));

-- name: kept
-- $2 people, $3 first and $4 last dates, $5 locks, $6 sealings.
SELECT day.org_id, day.person_id, day.attendance_on, day.shift_id, day.status, day.worked_minutes, day.overtime_minutes,
    day.late_minutes, day.early_minutes, day.break_minutes
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[], $5::uuid[], $6::uuid[])
    AS span (org_id, person_id, first_on, last_on, lock_id, sealing_id)
JOIN locked_day AS day ON day.org_id = span.org_id
    AND day.lock_id = span.lock_id
    AND day.sealing_id = span.sealing_id
    AND day.person_id = span.person_id
    AND day.attendance_on BETWEEN span.first_on AND span.last_on;

-- name: recorded_adjustments
-- $2 people, $3 first and $4 last dates.
SELECT paid.*
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[]) AS span (org_id, person_id, first_on, last_on)
JOIN locked_adjustment AS paid ON paid.org_id = span.org_id
    AND paid.person_id = span.person_id
    AND paid.attendance_on BETWEEN span.first_on AND span.last_on
JOIN period_lock AS lock ON lock.org_id = paid.org_id
    AND lock.lock_id = paid.lock_id
    AND lock.sealing_id = paid.sealing_id
    AND lock.in_force;

-- name: adjustments_of
-- $2 people, $3 first and $4 last dates.
SELECT stored.*, stored.settled_by AS lock_id
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[]) AS span (org_id, person_id, first_on, last_on)
JOIN adjustment AS stored ON stored.org_id = span.org_id
    AND stored.person_id = span.person_id
    AND stored.attendance_on BETWEEN span.first_on AND span.last_on
ORDER BY stored.org_id, stored.person_id, stored.attendance_on, stored.shift_id, stored.settled_by IS NULL,
    stored.booked_on;

-- name: unlocked_days
-- Days that were not there at the lock. $1 to $6 as for `kept`; $7 and $8 the range of all spans, so that partitions are
-- pruned.
SELECT day.org_id, day.person_id, day.attendance_on, day.shift_id
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[], $5::uuid[], $6::uuid[])
    AS span (org_id, person_id, first_on, last_on, lock_id, sealing_id)
JOIN attendance_day AS day ON day.org_id = span.org_id
    AND day.person_id = span.person_id
    AND day.attendance_on BETWEEN span.first_on AND span.last_on
    AND day.attendance_on BETWEEN $7 AND $8
WHERE NOT EXISTS (
    SELECT FROM locked_day AS kept
    WHERE kept.org_id = span.org_id
        AND kept.lock_id = span.lock_id
        AND kept.sealing_id = span.sealing_id
        AND kept.person_id = day.person_id
        AND kept.attendance_on = day.attendance_on
        AND kept.shift_id = day.shift_id
)

-- name: locked_days
-- $1 to $6 as for `kept`; $7 organisations, $8 people, $9 dates, $10 shifts, $11 and $12 what time decides of them, side by
-- side.
SELECT {locked}, by_rule.closes_at, by_rule.absence
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[], $5::uuid[], $6::uuid[])
    AS span (org_id, person_id, first_on, last_on, lock_id, sealing_id)
JOIN locked_day AS day ON day.org_id = span.org_id
    AND day.lock_id = span.lock_id
    AND day.sealing_id = span.sealing_id
    AND day.person_id = span.person_id
    AND day.attendance_on BETWEEN span.first_on AND span.last_on
LEFT JOIN unnest($7::text[], $8::text[], $9::date[], $10::text[], $11::timestamptz[], $12::text[])
    AS by_rule (org_id, person_id, attendance_on, shift_id, closes_at, absence)
    ON by_rule.org_id = day.org_id
    AND by_rule.person_id = day.person_id
    AND by_rule.attendance_on = day.attendance_on
    AND by_rule.shift_id = day.shift_id

-- name: remove_adjustments
-- $2 people, $3 first and $4 last dates; $5 to $9 the keys of those that stay.
DELETE FROM adjustment AS old
USING unnest($1::text[], $2::text[], $3::date[], $4::date[]) AS span (org_id, person_id, first_on, last_on)
WHERE old.org_id = span.org_id
    AND old.person_id = span.person_id
    AND old.attendance_on BETWEEN span.first_on AND span.last_on
    AND (old.org_id, old.person_id, old.attendance_on, old.shift_id, old.booked_on) NOT IN (
        SELECT * FROM unnest($5::text[], $6::text[], $7::date[], $8::text[], $9::date[])
    );

-- name: merge_adjustments
INSERT INTO adjustment AS stored ({adjustment_columns})
SELECT * FROM unnest({adjustment_values})
ON CONFLICT (org_id, person_id, attendance_on, shift_id, booked_on) DO UPDATE SET {adjustment_updates}
WHERE stored IS DISTINCT FROM excluded;

-- name: people_of
-- $1 organisation, $2 site or null, $3 and $4 the period. Also those whom the directory has no more, and who have a
-- day, or something due, in it.
SELECT person_id
FROM person
WHERE org_id = $1 AND ($2::text IS NULL OR home_site_id = $2::text)
UNION
SELECT person_id
FROM (
    SELECT person_id, site_id FROM attendance_day WHERE org_id = $1 AND attendance_on BETWEEN $3 AND $4
    UNION ALL
    SELECT person_id, site_id
    FROM adjustment
    WHERE org_id = $1 AND settled_by IS NULL AND booked_on BETWEEN $3 AND $4
) AS stands
WHERE ($2::text IS NULL OR site_id = $2::text)
    AND NOT EXISTS (SELECT FROM person WHERE person.org_id = $1 AND person.person_id = stands.person_id)
ORDER BY person_id;

-- name: days_that_stand
-- Of the people $2 of one organisation ($1).
SELECT person_id, attendance_on, shift_id, site_id, status, worked_minutes, overtime_minutes, late_minutes,
    early_minutes, break_minutes, first_in_at, last_out_at, late, early, missing, open_since, punch_count,
    explanation, shift_effective_on
FROM attendance_day
JOIN day_explanation USING (org_id, person_id, attendance_on, shift_id)
WHERE org_id = $1 AND person_id = ANY ($2::text[]) AND attendance_on BETWEEN $3 AND $4
ORDER BY person_id, attendance_on, shift_id;

-- name: adjustments_that_stand
SELECT person_id, attendance_on, shift_id, site_id, booked_on, status_from, status_to, worked_minutes,
    overtime_minutes, late_minutes, early_minutes, break_minutes, explanation
FROM adjustment
WHERE org_id = $1 AND person_id = ANY ($2::text[]) AND settled_by IS NULL AND booked_on BETWEEN $3 AND $4
ORDER BY person_id, attendance_on, shift_id;
