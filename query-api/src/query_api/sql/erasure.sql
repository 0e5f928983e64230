-- One erasure; a reader limited to sites sees it through the person's home site, or as its maker.
SELECT
    erasure.erasure_id,
    erasure.person_id,
    person.display_name,
    erasure.requested_at,
    erasure.made_by,
    CASE WHEN erased.completed_at IS NULL THEN 'WAITING' ELSE 'DONE' END AS state,
    erased.completed_at
FROM attendance.erasure AS erasure
LEFT JOIN attendance.erased_person AS erased
  ON erased.org_id = erasure.org_id
  AND erased.person_id = erasure.person_id
  AND erased.erased_until >= erasure.requested_at
LEFT JOIN attendance.person AS person ON person.org_id = erasure.org_id AND person.person_id = erasure.person_id
WHERE erasure.org_id = %(org_id)s::text
  AND erasure.erasure_id = %(erasure_id)s::uuid
  AND (
      %(sites)s::text[] IS NULL
      OR person.home_site_id = ANY (%(sites)s::text[])
      OR erasure.made_by = %(subject)s::text
  )
