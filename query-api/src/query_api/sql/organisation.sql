-- The organisation of the caller.
SELECT
    organisation.org_id,
    organisation.name,
    organisation.time_zone,
    organisation.org_type,
    organisation.default_policy,
    organisation.default_policy_on
FROM attendance.organisation AS organisation
WHERE organisation.org_id = %(org_id)s::text
