-- One page of the punches in the window of no shift, which count nothing, by when they occurred.
-- first_on and last_on: local dates of the home site; starts_at and ends_at: around them, so that partitions are pruned.
-- sites NULL means every home site of the organisation; after_* NULL means the first page.
SELECT
    punch.punch_id,
    punch.occurred_at,
    (punch.occurred_at AT TIME ZONE coalesce(home.time_zone, organisation.time_zone, 'UTC'))::date AS occurred_on,
    punch.person_id,
    person.display_name,
    person.home_site_id,
    home.name AS home_site_name,
    coalesce(home.time_zone, organisation.time_zone) AS time_zone,
    punch.site_id,
    punch.device_id,
    punch.direction,
    punch.method
FROM attendance.punch
JOIN attendance.person ON person.org_id = punch.org_id AND person.person_id = punch.person_id
LEFT JOIN attendance.site AS home ON home.org_id = person.org_id AND home.site_id = person.home_site_id
LEFT JOIN attendance.organisation ON organisation.org_id = punch.org_id
WHERE punch.org_id = %(org_id)s::text
  AND punch.placement = 'REVIEW'
  AND punch.occurred_at >= %(starts_at)s::timestamptz
  AND punch.occurred_at < %(ends_at)s::timestamptz
  AND (punch.occurred_at AT TIME ZONE coalesce(home.time_zone, organisation.time_zone, 'UTC'))::date
      BETWEEN %(first_on)s::date AND %(last_on)s::date
  AND (%(person_id)s::text IS NULL OR punch.person_id = %(person_id)s::text)
  AND (%(sites)s::text[] IS NULL OR person.home_site_id = ANY (%(sites)s::text[]))
  AND (
      %(after_at)s::timestamptz IS NULL
      OR (punch.occurred_at, punch.punch_id) > (%(after_at)s::timestamptz, %(after_punch_id)s::uuid)
  )
ORDER BY punch.occurred_at, punch.punch_id
LIMIT %(limit)s::int
