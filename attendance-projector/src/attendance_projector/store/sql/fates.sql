-- What became of what was accepted, where the rows of facts do not say it. Columns come side by side.

-- name: settle
DELETE FROM awaited_fact
USING unnest($1::text[], $2::text[], $3::uuid[]) AS settled (org_id, kind, fact_id)
WHERE awaited_fact.org_id = settled.org_id
    AND awaited_fact.kind = settled.kind
    AND awaited_fact.fact_id = settled.fact_id;

-- name: expect
-- Decisions come on other topics, and so can be there already. The captures of the same batch are stored before.
INSERT INTO awaited_fact (
    org_id, kind, fact_id, person_id, site_id, device_id, made_by, occurred_at, accepted_at
)
SELECT asked.*
FROM unnest(
    $1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[]
) AS asked (org_id, kind, fact_id, person_id, site_id, device_id, made_by, occurred_at, accepted_at)
WHERE NOT EXISTS (
    SELECT FROM capture
    WHERE capture.org_id = asked.org_id
        AND capture.capture_id = asked.fact_id
        AND capture.occurred_at = asked.occurred_at
)
    AND NOT EXISTS (
        SELECT FROM enrolment WHERE enrolment.org_id = asked.org_id AND enrolment.enrolment_id = asked.fact_id
    )
    AND NOT EXISTS (
        SELECT FROM dead_letter
        WHERE dead_letter.org_id = asked.org_id AND dead_letter.kind = asked.kind AND dead_letter.fact_id = asked.fact_id
    )
    AND NOT EXISTS (
        SELECT FROM refused_fact
        WHERE refused_fact.org_id = asked.org_id
            AND refused_fact.kind = 'MatchDecided'
            AND refused_fact.fact_id = asked.fact_id::text
    )
ON CONFLICT (org_id, kind, fact_id) DO NOTHING;

-- name: store_dead
INSERT INTO dead_letter (
    org_id, kind, fact_id, reason, person_id, site_id, device_id, made_by, accepted_at, dead_at
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
    $10::timestamptz[]
)
ON CONFLICT (org_id, kind, fact_id) DO UPDATE SET reason = excluded.reason, dead_at = excluded.dead_at
WHERE (dead_letter.dead_at, dead_letter.reason) < (excluded.dead_at, excluded.reason);

-- name: store_erasures
INSERT INTO erasure (org_id, erasure_id, person_id, requested_at, made_by)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[])
ON CONFLICT (org_id, erasure_id) DO NOTHING;

-- name: store_erased
INSERT INTO erased_person (org_id, person_id, erased_until, completed_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
ON CONFLICT (org_id, person_id) DO UPDATE SET
    erased_until = excluded.erased_until,
    completed_at = excluded.completed_at
WHERE erased_person.erased_until <= excluded.erased_until;

-- name: forget_dead
DELETE FROM dead_letter WHERE dead_at < $1;
