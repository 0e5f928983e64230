-- Until when time has come for the read model: what was accepted later may not be here yet. Only for an organisation that is.
SELECT clock.as_of
FROM attendance.organisation AS organisation
CROSS JOIN attendance.clock AS clock
WHERE organisation.org_id = %(org_id)s::text
LIMIT 1
