-- The directory: each fact replaces what was known under its key. Records of one key come in order.

-- name: record_organisation
INSERT INTO organisation (org_id, name, time_zone, org_type, default_policy, default_policy_on)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id) DO UPDATE SET
    name = excluded.name, time_zone = excluded.time_zone, org_type = excluded.org_type,
    default_policy = excluded.default_policy, default_policy_on = excluded.default_policy_on;

-- name: record_site
INSERT INTO site (org_id, site_id, name, time_zone) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, site_id) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone;

-- name: record_device
INSERT INTO device (org_id, device_id, site_id, name, kind, revoked) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id, device_id) DO UPDATE SET
    site_id = excluded.site_id, name = excluded.name, kind = excluded.kind, revoked = excluded.revoked;

-- name: record_person
INSERT INTO person (
    org_id, person_id, home_site_id, display_name, badge, joined_on, left_on, active, default_shift_id,
    recorded_at, earlier, former_badges
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (org_id, person_id) DO UPDATE SET
    home_site_id = excluded.home_site_id, display_name = excluded.display_name,
    badge = excluded.badge, joined_on = excluded.joined_on, left_on = excluded.left_on,
    active = excluded.active, default_shift_id = excluded.default_shift_id,
    recorded_at = excluded.recorded_at, earlier = excluded.earlier, former_badges = excluded.former_badges;

-- name: record_shift
INSERT INTO shift (org_id, shift_id, effective_on, name, rule) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, shift_id, effective_on) DO UPDATE SET name = excluded.name, rule = excluded.rule;

-- name: record_roster
INSERT INTO roster (
    org_id, roster_id, person_id, shift_id, starts_on, ends_on, weekdays, rotation_length, rotation_days
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (org_id, roster_id) DO UPDATE SET
    person_id = excluded.person_id, shift_id = excluded.shift_id,
    starts_on = excluded.starts_on, ends_on = excluded.ends_on, weekdays = excluded.weekdays,
    rotation_length = excluded.rotation_length, rotation_days = excluded.rotation_days;

-- name: record_holiday
INSERT INTO holiday (org_id, holiday_id, site_id, name, holiday_on) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, holiday_id) DO UPDATE SET
    site_id = excluded.site_id, name = excluded.name, holiday_on = excluded.holiday_on;

-- name: record_leave
INSERT INTO leave (org_id, leave_id, person_id, starts_on, ends_on, part, name) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (org_id, leave_id) DO UPDATE SET
    person_id = excluded.person_id, starts_on = excluded.starts_on,
    ends_on = excluded.ends_on, part = excluded.part, name = excluded.name;

-- name: record_policy
INSERT INTO policy (
    org_id, policy_id, effective_on, site_id, name, weekly_offs, flexible_day_start, expects_attendance
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (org_id, policy_id, effective_on) DO UPDATE SET
    site_id = excluded.site_id, name = excluded.name,
    weekly_offs = excluded.weekly_offs, flexible_day_start = excluded.flexible_day_start,
    expects_attendance = excluded.expects_attendance;

-- name: forget_organisation
DELETE FROM organisation WHERE org_id = $1;

-- name: forget_site
DELETE FROM site WHERE org_id = $1 AND site_id = $2;

-- name: forget_device
DELETE FROM device WHERE org_id = $1 AND device_id = $2;

-- name: forget_person
DELETE FROM person WHERE org_id = $1 AND person_id = $2;

-- name: forget_shift
DELETE FROM shift WHERE org_id = $1 AND shift_id = $2 AND effective_on = $3;

-- name: forget_roster
DELETE FROM roster WHERE org_id = $1 AND roster_id = $2;

-- name: forget_holiday
DELETE FROM holiday WHERE org_id = $1 AND holiday_id = $2;

-- name: forget_leave
DELETE FROM leave WHERE org_id = $1 AND leave_id = $2;

-- name: forget_policy
DELETE FROM policy WHERE org_id = $1 AND policy_id = $2 AND effective_on = $3;

-- name: time_zones_of_sites
-- Here and below: $1 organisations and $2 ids of theirs, side by side.
SELECT org_id, site_id, time_zone
FROM unnest($1::text[], $2::text[]) AS asked (org_id, site_id)
JOIN site USING (org_id, site_id);

-- name: people
SELECT person.org_id, person.person_id, person.home_site_id, person.default_shift_id, person.joined_on,
    person.left_on, person.active, person.earlier, site.time_zone
FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
JOIN person ON person.org_id = asked.org_id AND person.person_id = asked.person_id
LEFT JOIN site ON site.org_id = person.org_id AND site.site_id = person.home_site_id;

-- name: roster_entries
SELECT roster.*
FROM unnest($1::text[], $2::text[]) AS asked (org_id, roster_id)
JOIN roster USING (org_id, roster_id);

-- name: rosters_of_people
SELECT roster.*
FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
JOIN roster USING (org_id, person_id);

-- name: holidays
SELECT holiday.*
FROM unnest($1::text[], $2::text[]) AS asked (org_id, holiday_id)
JOIN holiday USING (org_id, holiday_id);

-- name: holidays_of_organisations
SELECT * FROM holiday WHERE org_id = ANY ($1::text[]);

-- name: leave
SELECT leave.*
FROM unnest($1::text[], $2::text[]) AS asked (org_id, leave_id)
JOIN leave USING (org_id, leave_id);

-- name: leave_of_people
SELECT leave.*
FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
JOIN leave USING (org_id, person_id);

-- name: policies_of_organisations
SELECT org_id, policy_id, effective_on, site_id, weekly_offs, flexible_day_start, expects_attendance
FROM policy
WHERE org_id = ANY ($1::text[]);

-- name: default_policies
SELECT org_id, org_type, default_policy, default_policy_on
FROM organisation
WHERE org_id = ANY ($1::text[]) AND default_policy IS NOT NULL;

-- name: homes
-- Of now and before.
SELECT org_id, person_id, home_site_id FROM person WHERE org_id = ANY ($1::text[])
UNION
SELECT org_id, person_id, terms ->> 'home_site_id'
FROM person CROSS JOIN jsonb_array_elements(earlier) AS terms
WHERE org_id = ANY ($1::text[]) AND earlier <> '[]';

-- name: shift_versions
SELECT org_id, shift_id, effective_on, rule
FROM unnest($1::text[], $2::text[]) AS asked (org_id, shift_id)
JOIN shift USING (org_id, shift_id);

-- name: people_of_sites
-- Now or before.
SELECT person.org_id, person.person_id
FROM unnest($1::text[], $2::text[]) AS asked (org_id, site_id)
JOIN person ON person.org_id = asked.org_id AND person.home_site_id = asked.site_id
UNION
SELECT person.org_id, person.person_id
FROM unnest($1::text[], $2::text[]) AS asked (org_id, site_id)
JOIN person ON person.org_id = asked.org_id AND person.earlier <> '[]'
    AND person.earlier @> jsonb_build_array(jsonb_build_object('home_site_id', asked.site_id));

-- name: people_of_shift
SELECT org_id, person_id FROM person WHERE org_id = $1 AND default_shift_id = $2
UNION
SELECT org_id, person_id FROM person
WHERE org_id = $1 AND earlier <> '[]'
    AND earlier @> jsonb_build_array(jsonb_build_object('default_shift_id', $2::text))
UNION
SELECT org_id, person_id FROM roster WHERE org_id = $1 AND shift_id = $2;

-- name: keys
-- The record key of everything that the directory says, in the formats of the topic's file.
SELECT org_id || ':organisation' AS key FROM organisation
UNION ALL SELECT org_id || ':site:' || site_id FROM site
UNION ALL SELECT org_id || ':device:' || device_id FROM device
UNION ALL SELECT org_id || ':person:' || person_id FROM person
UNION ALL SELECT org_id || ':shift:' || shift_id || ':' || to_char(effective_on, 'YYYY-MM-DD') FROM shift
UNION ALL SELECT org_id || ':roster:' || roster_id FROM roster
UNION ALL SELECT org_id || ':holiday:' || holiday_id FROM holiday
UNION ALL SELECT org_id || ':leave:' || leave_id FROM leave
UNION ALL SELECT org_id || ':policy:' || policy_id || ':' || to_char(effective_on, 'YYYY-MM-DD') FROM policy;
