-- One person, when the caller may see their home site.
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
  AND person.person_id = %(person_id)s::text
  AND (%(sites)s::text[] IS NULL OR person.home_site_id = ANY (%(sites)s::text[]))
