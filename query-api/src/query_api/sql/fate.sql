-- What became of a fact that has no row of its own: refused, a dead letter, or awaited. A reader limited to sites sees it
-- by its site, by the home of its person, or as its maker; device_id is the caller's when the caller is a device.
SELECT told.fate, told.reason, told.detail, told.since
FROM (
    SELECT 1 AS rank, 'REFUSED' AS fate, reason, detail, refused_at AS since, person_id, site_id, device_id, made_by
    FROM attendance.refused_fact
    WHERE org_id = %(org_id)s::text AND kind = ANY (%(kinds)s::text[]) AND fact_id = %(fact_id)s::text
    UNION ALL
    SELECT 2, 'DEAD_LETTER', reason, NULL, dead_at, person_id, site_id, device_id, made_by
    FROM attendance.dead_letter
    WHERE org_id = %(org_id)s::text AND kind = ANY (%(kinds)s::text[]) AND fact_id = %(fact_id)s::text::uuid
    UNION ALL
    SELECT 3, 'WAITING', NULL, NULL, accepted_at, person_id, site_id, device_id, made_by
    FROM attendance.awaited_fact
    WHERE org_id = %(org_id)s::text AND kind = ANY (%(kinds)s::text[]) AND fact_id = %(fact_id)s::text::uuid
) AS told
LEFT JOIN attendance.person AS person ON person.org_id = %(org_id)s::text AND person.person_id = told.person_id
WHERE (%(device_id)s::text IS NULL OR told.device_id = %(device_id)s::text)
  AND (
      %(sites)s::text[] IS NULL
      OR told.site_id = ANY (%(sites)s::text[])
      OR person.home_site_id = ANY (%(sites)s::text[])
      OR told.made_by = %(subject)s::text
  )
ORDER BY told.rank, told.reason
LIMIT 1
