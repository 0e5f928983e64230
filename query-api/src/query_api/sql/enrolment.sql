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
    enrolment.model_version
FROM attendance.enrolment AS enrolment
LEFT JOIN attendance.person AS person ON person.person_id = enrolment.person_id AND person.org_id = enrolment.org_id
WHERE enrolment.enrolment_id = %(enrolment_id)s::uuid
  AND enrolment.org_id = %(org_id)s::text
  AND enrolment.outcome IS NOT NULL
  AND (%(sites)s::text[] IS NULL OR person.home_site_id = ANY (%(sites)s::text[]))
