-- What people corrected, reviews of captures, and punches that wait for the holder of a badge.

-- name: corrections_of_people
-- Also those under the ids $2, of any person.
SELECT correction_id, org_id, person_id, kind, punch_id, occurred_at, site_id, direction, voided_correction_id,
    attendance_on, shift_id, status, worked_minutes, overtime_minutes, first_in_at, last_out_at, made_by, reason,
    recorded_at
FROM correction
WHERE person_id = ANY ($1::text[]) OR correction_id = ANY ($2::uuid[]);

-- name: punches_by_id
-- By id alone, without a time range: this is how a second occurred_at of one punch is found.
SELECT punch_id, occurred_at, person_id, method, direction FROM punch WHERE punch_id = ANY ($1::uuid[])
UNION ALL
SELECT fact_id, occurred_at, person_id, method, direction
FROM pending_fact
WHERE fact_id = ANY ($1::uuid[]) AND person_id IS NULL;

-- name: punches_without_face
-- Asked for every capture: the index punch_without_face has none of the many punches by face.
SELECT punch_id, occurred_at, person_id, method, direction
FROM punch
WHERE punch_id = ANY ($1::uuid[]) AND method <> 'face'
UNION ALL
SELECT fact_id, occurred_at, person_id, method, direction
FROM pending_fact
WHERE fact_id = ANY ($1::uuid[]) AND person_id IS NULL;

-- name: reviews
SELECT review_id, capture_id, org_id, person_id, recorded_at FROM review WHERE capture_id = ANY ($1::uuid[]);

-- name: record_review
INSERT INTO review (review_id, capture_id, org_id, person_id, made_by, reason, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (review_id) DO NOTHING;

-- name: pending
-- Facts with one of these badges; $1 organisations and $2 badges, side by side.
SELECT fact_id, occurred_at, fact.org_id, fact.badge, person_id, site_id, device_id, direction, method
FROM pending_fact AS fact
JOIN unnest($1::text[], $2::text[]) AS asked (org_id, badge)
    ON asked.org_id = fact.org_id AND asked.badge = fact.badge;

-- name: merge_pending
INSERT INTO pending_fact (fact_id, occurred_at, org_id, badge, person_id, site_id, device_id, direction, method)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (fact_id) DO UPDATE SET person_id = excluded.person_id;

-- name: holders
-- Who has each badge now; of several people the first by id.
SELECT asked.org_id, asked.badge, min(person.person_id) AS person_id
FROM unnest($1::text[], $2::text[]) AS asked (org_id, badge)
JOIN person ON person.org_id = asked.org_id AND person.badge = asked.badge
GROUP BY asked.org_id, asked.badge;

-- name: badges_of_people
SELECT org_id, badge FROM person WHERE person_id = ANY ($1::text[]) AND badge IS NOT NULL;
