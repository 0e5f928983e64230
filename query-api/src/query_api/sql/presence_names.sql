-- Names of people and sites of an organisation, for presence that comes from the cache. A site that is not recorded has
-- the organisation's zone.
SELECT 'person' AS kind, person.person_id AS id, person.display_name AS name, NULL AS time_zone
FROM attendance.person AS person
WHERE person.org_id = %(org_id)s::text AND person.person_id = ANY (%(people)s::text[])
UNION ALL
SELECT 'site', asked.site_id, site.name, coalesce(site.time_zone, organisation.time_zone)
FROM unnest(%(sites)s::text[]) AS asked (site_id)
LEFT JOIN attendance.site AS site ON site.org_id = %(org_id)s::text AND site.site_id = asked.site_id
LEFT JOIN attendance.organisation AS organisation ON organisation.org_id = %(org_id)s::text
