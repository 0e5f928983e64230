-- How many people are in, per site: days left open after open_after. A person with two open days at one site counts once
-- there.
SELECT
    present.site_id,
    site.name AS site_name,
    present.present_count
FROM (
    SELECT site_id, count(DISTINCT person_id)::int AS present_count
    FROM attendance.open_day
    WHERE org_id = %(org_id)s::text
      AND open_since > %(open_after)s::timestamptz
      AND open_since <= %(now)s::timestamptz
      AND (%(sites)s::text[] IS NULL OR site_id = ANY (%(sites)s::text[]))
    GROUP BY site_id
) AS present
LEFT JOIN attendance.site AS site ON site.org_id = %(org_id)s::text AND site.site_id = present.site_id
ORDER BY present.site_id
