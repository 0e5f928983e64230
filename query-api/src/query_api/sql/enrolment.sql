-- One decided enrolment; a caller limited to sites sees it through the person's home site.
SELECT
    enrolment.enrolment_id,
    enrolment.person_id,
    person.display_name,
    enrolment.outcome,
    enrolment.template_count,
    enrolment.photos,
    enrolment.requested_at,
    enrolment.decided_at,
    enrolment.model_name,
    enrolment.model_version,
    erased.completed_at AS erased_at
FROM attendance.enrolment AS enrolment
LEFT JOIN attendance.person AS person ON person.org_id = enrolment.org_id AND person.person_id = enrolment.person_id
LEFT JOIN attendance.erased_person AS erased
  ON erased.org_id = enrolment.org_id
  AND erased.person_id = enrolment.person_id
  AND erased.erased_until >= enrolment.requested_at
WHERE enrolment.org_id = %(org_id)s::text
  AND enrolment.enrolment_id = %(enrolment_id)s::uuid
  AND enrolment.outcome IS NOT NULL
  AND (%(sites)s::text[] IS NULL OR person.home_site_id = ANY (%(sites)s::text[]))
