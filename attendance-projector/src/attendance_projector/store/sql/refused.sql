-- Facts that the rules refused, each once for each reason.

-- name: store
-- The columns of the rows, side by side, in the order of RefusedFact.
INSERT INTO refused_fact (
    org_id, kind, fact_id, reason, detail, person_id, site_id, device_id, made_by, about_on, recorded_at
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::date[], $11::timestamptz[]
)
ON CONFLICT (org_id, kind, fact_id, reason) DO NOTHING;

-- name: accept
-- $1 organisations and $2 ids, side by side; $3 their kind and $4 the reason that holds no longer.
DELETE FROM refused_fact
USING unnest($1::text[], $2::text[]) AS accepted (org_id, fact_id)
WHERE refused_fact.org_id = accepted.org_id AND refused_fact.fact_id = accepted.fact_id AND kind = $3 AND reason = $4;
