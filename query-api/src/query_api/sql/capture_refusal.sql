-- Why what recognition decided about a capture was refused. device_id is the caller's when the caller is a device.
SELECT detail
FROM attendance.refused_fact
WHERE org_id = %(org_id)s::text
  AND kind = 'MatchDecided'
  AND fact_id = %(capture_id)s::text
  AND (%(sites)s::text[] IS NULL OR site_id = ANY (%(sites)s::text[]))
  AND (%(device_id)s::text IS NULL OR device_id = %(device_id)s::text)
ORDER BY reason
LIMIT 1
