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

-- name: take_back
-- $1 organisations, $2 ids and $3 details that stand, side by side; null: none does. $4 the kind, $5 the reason.
DELETE FROM refused_fact
USING unnest($1::text[], $2::text[], $3::text[]) AS judged (org_id, fact_id, detail)
WHERE refused_fact.org_id = judged.org_id
    AND refused_fact.fact_id = judged.fact_id
    AND refused_fact.detail IS DISTINCT FROM judged.detail
    AND kind = $4
    AND reason = $5;
