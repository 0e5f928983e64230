-- How many people are in, per site: days left open after open_after. The dates only bound the months to read.
-- A person with two open days at one site counts once there.
SELECT
    day.site_id,
    site.name AS site_name,
    count(DISTINCT day.person_id)::int AS present_count
FROM attendance.attendance_day AS day
LEFT JOIN attendance.site AS site ON site.org_id = day.org_id AND site.site_id = day.site_id
WHERE day.org_id = %(org_id)s::text
  AND day.attendance_on BETWEEN %(first_on)s::date AND %(last_on)s::date
  AND day.open_since > %(open_after)s::timestamptz
  AND day.open_since <= %(now)s::timestamptz
  AND (%(sites)s::text[] IS NULL OR day.site_id = ANY (%(sites)s::text[]))
GROUP BY day.site_id, site.name
ORDER BY day.site_id
