-- One page of people in the order of person_id; the text is part of the name, or the whole id or badge.
-- pattern: the text for LIKE. Whom it finds people_found says, by the index of names by three letters (person_name), which
-- row-level security keeps from this login.
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
      OR person.person_id = ANY (ARRAY(
          SELECT attendance.people_found(
              %(pattern)s::text, %(text)s::text, %(sites)s::text[], %(after)s::text, %(limit)s::int
          )
      ))
  )
  AND (%(after)s::text IS NULL OR person.person_id > %(after)s::text)
ORDER BY person.person_id
LIMIT %(limit)s::int
