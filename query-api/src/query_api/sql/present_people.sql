-- One page of the people who are in, in the order of person_id; of several open days the newest counts. The order is
-- that of the cache: either may have answered the page before. The page is cut before the names are looked up.
SELECT
    present.person_id,
    person.display_name,
    present.site_id,
    site.name AS site_name,
    coalesce(site.time_zone, organisation.time_zone) AS time_zone,
    present.open_since
FROM (
    SELECT DISTINCT ON (person_id) org_id, person_id, site_id, open_since
    FROM attendance.open_day
    WHERE org_id = %(org_id)s::text
      AND open_since > %(open_after)s::timestamptz
      AND open_since <= %(now)s::timestamptz
      AND (%(sites)s::text[] IS NULL OR site_id = ANY (%(sites)s::text[]))
      AND (%(after)s::text IS NULL OR person_id > %(after)s::text)
    ORDER BY person_id, open_since DESC, attendance_on DESC, shift_id DESC
    LIMIT %(limit)s::int
) AS present
LEFT JOIN attendance.person AS person ON person.org_id = present.org_id AND person.person_id = present.person_id
LEFT JOIN attendance.site AS site ON site.org_id = present.org_id AND site.site_id = present.site_id
LEFT JOIN attendance.organisation AS organisation ON organisation.org_id = present.org_id
ORDER BY present.person_id
