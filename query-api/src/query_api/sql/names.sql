-- The names behind a decision that has not reached the read model yet; one row always.
SELECT
    (SELECT person.display_name FROM attendance.person AS person
     WHERE person.org_id = %(org_id)s::text AND person.person_id = %(person_id)s::text) AS display_name,
    (SELECT site.name FROM attendance.site AS site
     WHERE site.org_id = %(org_id)s::text AND site.site_id = %(site_id)s::text) AS site_name
