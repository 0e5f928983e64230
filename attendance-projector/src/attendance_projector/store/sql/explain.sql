-- The facts behind one day of one person, as they were recorded. {org_id} and {person_id}: whose, {on}: the local date,
-- {first_at} and {last_at}: the first and last instant of a punch that can matter to it; numbered by the reader.
-- Columns: fact_id, version, recorded_at, then what the fact says. No names of people.

-- name: name_organisation
-- Whose rows a login of readers sees, in this transaction.
SELECT set_config('attendance.org_id', $1, true);

-- name: needs_organisation
SELECT row_security_active('person') AND NOT pg_has_role('attendance_writer', 'USAGE');

-- name: person_on
-- People with what held of them on the date; the statements below read it in the place of their person.
SELECT person.org_id, person.person_id, person.recorded_at, terms.*
FROM person
CROSS JOIN LATERAL (
    SELECT home_site_id, default_shift_id, joined_on, left_on, active
    FROM jsonb_to_recordset(
        person.earlier || jsonb_build_object(
            'replaced_on', 'infinity', 'home_site_id', person.home_site_id, 'default_shift_id', person.default_shift_id,
            'joined_on', person.joined_on, 'left_on', person.left_on, 'active', person.active
        )
    ) AS terms (
        replaced_on date, home_site_id text, default_shift_id text, joined_on date, left_on date, active boolean
    )
    WHERE {on}::date < replaced_on
    ORDER BY replaced_on
    LIMIT 1
) AS terms

-- name: person
SELECT person_id AS fact_id, NULL AS version, recorded_at, home_site_id, default_shift_id, joined_on, left_on, active
FROM {person}
WHERE org_id = {org_id} AND person_id = {person_id};

-- name: organisation
SELECT org_id AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, org_type, default_policy, default_policy_on
FROM organisation
WHERE org_id = {org_id};

-- name: site
SELECT site.site_id AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, site.time_zone, watermark.reported_until
FROM {person}
JOIN site ON site.org_id = person.org_id AND site.site_id = person.home_site_id
LEFT JOIN site_watermark AS watermark ON watermark.org_id = site.org_id AND watermark.site_id = site.site_id
WHERE person.org_id = {org_id} AND person.person_id = {person_id};

-- name: device
SELECT device.device_id AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, report.last_sequence, report.newest_at
FROM {person}
JOIN device ON device.org_id = person.org_id AND device.site_id = person.home_site_id AND NOT device.revoked
LEFT JOIN device_report AS report
    ON report.org_id = device.org_id AND report.device_id = device.device_id AND report.first_sequence = 1
WHERE person.org_id = {org_id} AND person.person_id = {person_id}
ORDER BY device.device_id;

-- name: shift
-- The versions in effect on the date and the dates beside it, whose windows can meet.
SELECT shift.shift_id AS fact_id, shift.effective_on::text AS version, NULL::timestamptz AS recorded_at, shift.rule
FROM shift
WHERE shift.org_id = {org_id}
    AND shift.shift_id IN (
        SELECT default_shift_id FROM {person} WHERE org_id = {org_id} AND person_id = {person_id}
        UNION
        SELECT shift_id FROM roster
        WHERE org_id = {org_id} AND person_id = {person_id} AND starts_on <= {on}::date + 1
            AND (ends_on IS NULL OR ends_on >= {on}::date - 1)
    )
    AND shift.effective_on <= {on}::date + 1
    AND NOT EXISTS (
        SELECT FROM shift AS later
        WHERE later.org_id = shift.org_id
            AND later.shift_id = shift.shift_id
            AND later.effective_on > shift.effective_on
            AND later.effective_on <= {on}::date - 1
    )
ORDER BY shift.shift_id, shift.effective_on;

-- name: roster
SELECT roster_id AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, shift_id, starts_on, ends_on, weekdays,
    rotation_length, rotation_days
FROM roster
WHERE org_id = {org_id} AND person_id = {person_id} AND starts_on <= {on}::date AND (ends_on IS NULL OR ends_on >= {on}::date)
ORDER BY roster_id;

-- name: policy
-- The newest version of each policy for the home site and for the organisation; the day's explanation names the one that counts.
SELECT DISTINCT ON (policy.policy_id) policy.policy_id AS fact_id, policy.effective_on::text AS version,
    NULL::timestamptz AS recorded_at, policy.site_id, policy.weekly_offs, policy.flexible_day_start, policy.expects_attendance
FROM {person}
JOIN policy ON policy.org_id = person.org_id AND (policy.site_id IS NULL OR policy.site_id = person.home_site_id)
WHERE person.org_id = {org_id} AND person.person_id = {person_id} AND policy.effective_on <= {on}::date
ORDER BY policy.policy_id, policy.effective_on DESC;

-- name: holiday
SELECT holiday_id AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, site_id, holiday_on
FROM {person}
JOIN holiday USING (org_id)
WHERE org_id = {org_id} AND person_id = {person_id} AND holiday_on = {on}::date
    AND (site_id IS NULL OR site_id = home_site_id)
ORDER BY holiday_id;

-- name: leave
SELECT leave_id AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, part, starts_on, ends_on
FROM leave
WHERE org_id = {org_id} AND person_id = {person_id} AND {on}::date BETWEEN starts_on AND ends_on
ORDER BY leave_id;

-- name: punch
SELECT punch_id::text AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, occurred_at, direction, method, site_id,
    device_id, placement, placed_on, placed_shift_id
FROM punch
WHERE org_id = {org_id} AND person_id = {person_id} AND occurred_at BETWEEN {first_at} AND {last_at}
ORDER BY occurred_at, punch_id;

-- name: capture
-- The decisions behind the punches, and captures on which the person was only the best candidate.
WITH about AS (
    SELECT capture.*
    FROM capture
    WHERE org_id = {org_id} AND person_id = {person_id} AND occurred_at BETWEEN {first_at} AND {last_at}
    UNION
    SELECT capture.*
    FROM capture
    WHERE org_id = {org_id}
        AND occurred_at BETWEEN {first_at} AND {last_at}
        AND capture_id IN (
            SELECT punch.capture_id
            FROM punch
            WHERE org_id = {org_id} AND person_id = {person_id} AND occurred_at BETWEEN {first_at} AND {last_at}
        )
)
SELECT capture_id::text AS fact_id, 'round ' || decision_round AS version, decided_at AS recorded_at, occurred_at, device_id,
    outcome, person_id, model_name, model_version, score
FROM about
ORDER BY occurred_at, capture_id;

-- name: review
SELECT review_id::text AS fact_id, NULL AS version, recorded_at, capture_id, person_id, made_by, reason
FROM review
WHERE org_id = {org_id}
    AND capture_id IN (
        SELECT capture_id
        FROM capture
        WHERE org_id = {org_id} AND person_id = {person_id} AND occurred_at BETWEEN {first_at} AND {last_at}
        UNION
        SELECT capture_id
        FROM punch
        WHERE org_id = {org_id} AND person_id = {person_id} AND occurred_at BETWEEN {first_at} AND {last_at}
    )
ORDER BY recorded_at, review_id;

-- name: correction
-- Also what voids one of these, whenever that was.
WITH RECURSIVE about AS (
    SELECT correction.*
    FROM correction
    WHERE org_id = {org_id}
        AND person_id = {person_id}
        AND (
            attendance_on = {on}::date
            OR occurred_at BETWEEN {first_at} AND {last_at}
            OR punch_id IN (
                SELECT punch_id
                FROM punch
                WHERE org_id = {org_id} AND person_id = {person_id} AND occurred_at BETWEEN {first_at} AND {last_at}
            )
        )
    UNION
    SELECT correction.*
    FROM correction
    JOIN about ON correction.org_id = about.org_id AND correction.voided_correction_id = about.correction_id
)
SELECT correction_id::text AS fact_id, NULL AS version, recorded_at, kind, punch_id, occurred_at, voided_correction_id,
    attendance_on, shift_id, status, made_by, reason
FROM about
ORDER BY recorded_at, correction_id;

-- name: pending
SELECT fact_id::text AS fact_id, NULL AS version, NULL::timestamptz AS recorded_at, occurred_at, method, device_id
FROM pending_fact
WHERE org_id = {org_id} AND person_id = {person_id} AND occurred_at BETWEEN {first_at} AND {last_at}
ORDER BY occurred_at, fact_id;

-- name: adjustment
-- What the days of the date differ by from what was paid, in the order in which it was, or will be, booked.
SELECT CASE shift_id WHEN '' THEN 'no shift' ELSE shift_id END AS fact_id, 'booked on ' || booked_on AS version,
    NULL::timestamptz AS recorded_at, attendance_on, shift_id, booked_on, status_from, status_to, worked_minutes,
    overtime_minutes, late_minutes, early_minutes, break_minutes, settled_by
FROM adjustment
WHERE org_id = {org_id} AND person_id = {person_id} AND attendance_on = {on}
ORDER BY shift_id, booked_on;

-- name: stored_days
SELECT {columns}
FROM attendance_day
JOIN day_explanation USING (org_id, person_id, attendance_on, shift_id)
LEFT JOIN unsettled_day USING (org_id, person_id, attendance_on, shift_id)
WHERE org_id = $1 AND person_id = $2 AND attendance_on = $3;

-- name: organisations_of_person
SELECT org_id FROM person WHERE person_id = $1;

-- name: organisations_of_site
SELECT org_id FROM site WHERE site_id = $1;

-- name: people_at
SELECT org_id, person_id FROM person WHERE org_id = $1 AND home_site_id = $2 ORDER BY person_id;

-- name: shift_ids
SELECT DISTINCT shift_id FROM shift WHERE org_id = ANY ($1::text[]);

-- name: waiting
-- Whether the organisation is known or not ($2 null): nobody has the id, so it may be of any.
SELECT count(*) FROM punch WHERE person_id = $1 AND ($2::text IS NULL OR org_id = $2) AND placement = 'WAITING';

-- name: identity
-- By the names of now, not of the snapshot: they pass to other tables when a rebuild is switched in. A connection
-- learns of that when it first touches a table after it; until then it goes on reading the earlier tables.
SELECT to_regnamespace(current_schema())::oid::bigint;
