-- One punch without a face, or one with a badge that nobody has yet. occurred_at is the partition key.
-- device_id is the caller's when the caller is a device, else NULL.
SELECT
    found.punch_id,
    found.occurred_at,
    found.person_id,
    person.display_name,
    found.site_id,
    site.name AS site_name,
    found.device_id,
    found.direction,
    found.method,
    found.placement,
    found.placed_on,
    found.placed_shift_id
FROM (
    SELECT org_id, punch_id, occurred_at, person_id, site_id, device_id, direction, method, placement, placed_on, placed_shift_id
    FROM attendance.punch
    WHERE org_id = %(org_id)s::text
      AND punch_id = %(punch_id)s::uuid
      AND method <> 'face'
      AND occurred_at >= %(starts_at)s::timestamptz
      AND occurred_at < %(ends_at)s::timestamptz
    UNION ALL
    SELECT org_id, fact_id, occurred_at, person_id, site_id, device_id, direction, method, 'PENDING', NULL, NULL
    FROM attendance.pending_fact
    WHERE org_id = %(org_id)s::text AND fact_id = %(punch_id)s::uuid AND person_id IS NULL
) AS found
LEFT JOIN attendance.person AS person ON person.org_id = found.org_id AND person.person_id = found.person_id
LEFT JOIN attendance.site AS site ON site.org_id = found.org_id AND site.site_id = found.site_id
WHERE (%(sites)s::text[] IS NULL OR found.site_id = ANY (%(sites)s::text[]))
  AND (%(device_id)s::text IS NULL OR found.device_id = %(device_id)s::text)
LIMIT 1
