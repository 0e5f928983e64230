-- One decided capture. occurred_at is the partition key: only the months of the range are read.
-- device_id is the caller's when the caller is a device, else NULL.
-- rows: capture
FROM attendance.capture AS capture
LEFT JOIN attendance.person AS person ON person.org_id = capture.org_id AND person.person_id = capture.person_id
LEFT JOIN attendance.site AS site ON site.org_id = capture.org_id AND site.site_id = capture.site_id
-- rows: last_review
WHERE capture.org_id = %(org_id)s::text
  AND capture.capture_id = %(capture_id)s::uuid
  AND capture.occurred_at >= %(starts_at)s::timestamptz
  AND capture.occurred_at < %(ends_at)s::timestamptz
  AND capture.outcome IS NOT NULL
  AND (%(sites)s::text[] IS NULL OR capture.site_id = ANY (%(sites)s::text[]))
  AND (%(device_id)s::text IS NULL OR capture.device_id = %(device_id)s::text)
ORDER BY capture.decision_round DESC
LIMIT 1
