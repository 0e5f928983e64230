-- One page of people in the order of person_id; the text is part of the name, or the whole id or badge.
-- pattern: the text for LIKE, which the index of names by three letters (person_name) serves.
SELECT
    person.person_id,
    person.display_name,
    person.badge,
    person.home_site_id,
    site.name AS site_name,
    person.joined_on,
    person.left_on,
    person.active,
    person.default_shift_id
FROM attendance.person AS person
LEFT JOIN attendance.site AS site ON site.org_id = person.org_id AND site.site_id = person.home_site_id
WHERE person.org_id = %(org_id)s::text
  AND (%(sites)s::text[] IS NULL OR person.home_site_id = ANY (%(sites)s::text[]))
  AND (
      %(text)s::text IS NULL
      OR lower(person.display_name) LIKE lower(%(pattern)s::text)
      OR person.person_id = %(text)s::text
      OR person.badge = %(text)s::text
  )
  AND (%(after)s::text IS NULL OR person.person_id > %(after)s::text)
ORDER BY person.person_id
LIMIT %(limit)s::int
