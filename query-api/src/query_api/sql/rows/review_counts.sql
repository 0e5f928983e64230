-- That a review, called `decided`, counts: one beyond its maker's authority is a refused fact. A part of WHERE.
AND NOT EXISTS (
    SELECT
    FROM attendance.refused_fact AS refused
    WHERE refused.org_id = decided.org_id
      AND refused.kind = 'ReviewDecided'
      AND refused.fact_id = decided.review_id::text
      AND refused.reason = 'out-of-scope'
)
