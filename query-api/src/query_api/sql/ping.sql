-- Whether a database answers and holds the read model.
SELECT count(*) FROM (SELECT FROM attendance.organisation LIMIT 1) AS organisation
