-- One page of the people who are in, in the order of person_id; of several open days the newest counts. The order is
-- that of the cache: either may have answered the page before.
SELECT DISTINCT ON (day.person_id)
    day.person_id,
    person.display_name,
    day.site_id,
    site.name AS site_name,
    coalesce(site.time_zone, organisation.time_zone) AS time_zone,
    day.open_since
FROM attendance.attendance_day AS day
LEFT JOIN attendance.person AS person ON person.org_id = day.org_id AND person.person_id = day.person_id
LEFT JOIN attendance.site AS site ON site.org_id = day.org_id AND site.site_id = day.site_id
LEFT JOIN attendance.organisation AS organisation ON organisation.org_id = day.org_id
WHERE day.org_id = %(org_id)s::text
  AND day.attendance_on BETWEEN %(first_on)s::date AND %(last_on)s::date
  AND day.open_since > %(open_after)s::timestamptz
  AND day.open_since <= %(now)s::timestamptz
  AND (%(sites)s::text[] IS NULL OR day.site_id = ANY (%(sites)s::text[]))
  AND (%(after)s::text IS NULL OR day.person_id > %(after)s::text)
ORDER BY
    day.person_id,
    day.open_since DESC,
    day.attendance_on DESC,
    day.shift_id DESC
LIMIT %(limit)s::int
