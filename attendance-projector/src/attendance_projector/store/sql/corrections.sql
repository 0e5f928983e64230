-- What people corrected, reviews of captures, and punches that wait for the holder of a badge. Organisations and ids come
-- side by side.

-- name: corrections_of_people
-- $1 organisations and $2 people; also those under the ids $4 of the organisations $3, of any person.
SELECT correction.*
FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
JOIN correction ON correction.org_id = asked.org_id AND correction.person_id = asked.person_id
UNION
SELECT correction.*
FROM unnest($3::text[], $4::uuid[]) AS asked (org_id, correction_id)
JOIN correction ON correction.org_id = asked.org_id AND correction.correction_id = asked.correction_id;

-- name: punches_by_id
-- $1 organisations and $2 ids. Without a time range: this is how a second occurred_at of one punch is found.
SELECT found.*
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, punch_id)
CROSS JOIN LATERAL (
    SELECT org_id, punch_id, occurred_at, person_id, method, direction
    FROM punch
    WHERE punch.org_id = asked.org_id AND punch.punch_id = asked.punch_id
    UNION ALL
    SELECT org_id, fact_id, occurred_at, person_id, method, direction
    FROM pending_fact
    WHERE pending_fact.org_id = asked.org_id AND pending_fact.fact_id = asked.punch_id AND person_id IS NULL
    OFFSET 0
) AS found;

-- name: punches_without_face
-- As punches_by_id. Asked for every capture: the index punch_without_face has none of the many punches by face.
SELECT found.*
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, punch_id)
CROSS JOIN LATERAL (
    SELECT org_id, punch_id, occurred_at, person_id, method, direction
    FROM punch
    WHERE punch.org_id = asked.org_id AND punch.punch_id = asked.punch_id AND method <> 'face'
    UNION ALL
    SELECT org_id, fact_id, occurred_at, person_id, method, direction
    FROM pending_fact
    WHERE pending_fact.org_id = asked.org_id AND pending_fact.fact_id = asked.punch_id AND person_id IS NULL
    OFFSET 0
) AS found;

-- name: reviews
-- $1 organisations and $2 captures; also those under the ids $4 of the organisations $3, of any capture.
SELECT review.org_id, review_id, review.capture_id, person_id, home_site_id, made_by, sites, recorded_at
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, capture_id)
JOIN review ON review.org_id = asked.org_id AND review.capture_id = asked.capture_id
UNION
SELECT review.org_id, review.review_id, capture_id, person_id, home_site_id, made_by, sites, recorded_at
FROM unnest($3::text[], $4::uuid[]) AS asked (org_id, review_id)
JOIN review ON review.org_id = asked.org_id AND review.review_id = asked.review_id;

-- name: record_review
INSERT INTO review (org_id, review_id, capture_id, person_id, home_site_id, made_by, sites, reason, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (org_id, review_id) DO NOTHING;

-- name: pending
-- Facts with one of these badges; $1 organisations and $2 badges.
SELECT fact.org_id, fact_id, occurred_at, fact.badge, person_id, site_id, device_id, direction, method
FROM unnest($1::text[], $2::text[]) AS asked (org_id, badge)
JOIN pending_fact AS fact ON fact.org_id = asked.org_id AND fact.badge = asked.badge;

-- name: merge_pending
INSERT INTO pending_fact (org_id, fact_id, occurred_at, badge, person_id, site_id, device_id, direction, method)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (org_id, fact_id) DO UPDATE SET person_id = excluded.person_id;

-- name: holders
-- Who had each badge, the first one first, and who has it now; of several people the first by id.
SELECT asked.org_id, asked.badge, holder.person_id, holder.held_until
FROM unnest($1::text[], $2::text[]) AS asked (org_id, badge)
CROSS JOIN LATERAL (
    SELECT person.person_id, NULL::timestamptz AS held_until
    FROM person
    WHERE person.org_id = asked.org_id AND person.badge = asked.badge
    UNION ALL
    SELECT person.person_id, (former ->> 'held_until')::timestamptz
    FROM person CROSS JOIN jsonb_array_elements(former_badges) AS former
    WHERE person.org_id = asked.org_id AND person.former_badges <> '[]'
        AND person.former_badges @> jsonb_build_array(jsonb_build_object('badge', asked.badge))
        AND former ->> 'badge' = asked.badge
) AS holder
ORDER BY asked.org_id, asked.badge, holder.held_until NULLS LAST, holder.person_id;

-- name: badges_of_people
-- $1 organisations and $2 people: what they have, and what they had.
SELECT person.org_id, held.badge
FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
JOIN person ON person.org_id = asked.org_id AND person.person_id = asked.person_id
CROSS JOIN LATERAL (
    SELECT person.badge
    UNION
    SELECT former ->> 'badge' FROM jsonb_array_elements(person.former_badges) AS former
) AS held
WHERE held.badge IS NOT NULL;
