-- The directory: each fact replaces what was known under its key. Records of one key come in order.

-- name: record_organisation
INSERT INTO organisation (org_id, name, time_zone, org_type, default_policy, default_policy_on)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id) DO UPDATE SET
    name = excluded.name, time_zone = excluded.time_zone, org_type = excluded.org_type,
    default_policy = excluded.default_policy, default_policy_on = excluded.default_policy_on;

-- name: record_site
INSERT INTO site (site_id, org_id, name, time_zone) VALUES ($1, $2, $3, $4)
ON CONFLICT (site_id) DO UPDATE SET
    org_id = excluded.org_id, name = excluded.name, time_zone = excluded.time_zone;

-- name: record_device
INSERT INTO device (device_id, org_id, site_id, name, kind, revoked) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (device_id) DO UPDATE SET
    org_id = excluded.org_id, site_id = excluded.site_id, name = excluded.name, kind = excluded.kind,
    revoked = excluded.revoked;

-- name: record_person
INSERT INTO person (
    person_id, org_id, home_site_id, display_name, badge, joined_on, left_on, active, default_shift_id,
    recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (person_id) DO UPDATE SET
    org_id = excluded.org_id, home_site_id = excluded.home_site_id, display_name = excluded.display_name,
    badge = excluded.badge, joined_on = excluded.joined_on, left_on = excluded.left_on,
    active = excluded.active, default_shift_id = excluded.default_shift_id,
    recorded_at = excluded.recorded_at;

-- name: record_shift
INSERT INTO shift (shift_id, effective_on, org_id, name, rule) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (shift_id, effective_on) DO UPDATE SET
    org_id = excluded.org_id, name = excluded.name, rule = excluded.rule;

-- name: record_roster
INSERT INTO roster (
    roster_id, org_id, person_id, shift_id, starts_on, ends_on, weekdays, rotation_length, rotation_days
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (roster_id) DO UPDATE SET
    org_id = excluded.org_id, person_id = excluded.person_id, shift_id = excluded.shift_id,
    starts_on = excluded.starts_on, ends_on = excluded.ends_on, weekdays = excluded.weekdays,
    rotation_length = excluded.rotation_length, rotation_days = excluded.rotation_days;

-- name: record_holiday
INSERT INTO holiday (holiday_id, org_id, site_id, name, holiday_on) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (holiday_id) DO UPDATE SET
    org_id = excluded.org_id, site_id = excluded.site_id, name = excluded.name, holiday_on = excluded.holiday_on;

-- name: record_leave
INSERT INTO leave (leave_id, org_id, person_id, starts_on, ends_on, part, name) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (leave_id) DO UPDATE SET
    org_id = excluded.org_id, person_id = excluded.person_id, starts_on = excluded.starts_on,
    ends_on = excluded.ends_on, part = excluded.part, name = excluded.name;

-- name: record_policy
INSERT INTO policy (
    policy_id, effective_on, org_id, site_id, name, weekly_offs, flexible_day_start, expects_attendance
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (policy_id, effective_on) DO UPDATE SET
    org_id = excluded.org_id, site_id = excluded.site_id, name = excluded.name,
    weekly_offs = excluded.weekly_offs, flexible_day_start = excluded.flexible_day_start,
    expects_attendance = excluded.expects_attendance;

-- name: forget_organisation
DELETE FROM organisation WHERE org_id = $1;

-- name: forget_site
DELETE FROM site WHERE site_id = $1;

-- name: forget_device
DELETE FROM device WHERE device_id = $1;

-- name: forget_person
DELETE FROM person WHERE person_id = $1;

-- name: forget_shift
DELETE FROM shift WHERE shift_id = $1 AND effective_on = $2;

-- name: forget_roster
DELETE FROM roster WHERE roster_id = $1;

-- name: forget_holiday
DELETE FROM holiday WHERE holiday_id = $1;

-- name: forget_leave
DELETE FROM leave WHERE leave_id = $1;

-- name: forget_policy
DELETE FROM policy WHERE policy_id = $1 AND effective_on = $2;

-- name: time_zones_of_sites
SELECT site_id, time_zone FROM site WHERE site_id = ANY ($1::text[]);

-- name: people
SELECT person.person_id, person.org_id, person.home_site_id, person.default_shift_id, person.joined_on,
    person.left_on, person.active, site.time_zone
FROM person
LEFT JOIN site ON site.site_id = person.home_site_id
WHERE person.person_id = ANY ($1::text[]);

-- name: roster_entries
SELECT roster_id, person_id, shift_id, starts_on, ends_on, weekdays, rotation_length, rotation_days
FROM roster
WHERE roster_id = ANY ($1::text[]);

-- name: rosters_of_people
SELECT roster_id, person_id, shift_id, starts_on, ends_on, weekdays, rotation_length, rotation_days
FROM roster
WHERE person_id = ANY ($1::text[]);

-- name: holidays
SELECT holiday_id, org_id, site_id, holiday_on FROM holiday WHERE holiday_id = ANY ($1::text[]);

-- name: holidays_of_organisations
SELECT holiday_id, org_id, site_id, holiday_on FROM holiday WHERE org_id = ANY ($1::text[]);

-- name: leave
SELECT leave_id, person_id, starts_on, ends_on, part FROM leave WHERE leave_id = ANY ($1::text[]);

-- name: leave_of_people
SELECT leave_id, person_id, starts_on, ends_on, part FROM leave WHERE person_id = ANY ($1::text[]);

-- name: organisations_of_policies
SELECT DISTINCT org_id FROM policy WHERE policy_id = ANY ($1::text[]);

-- name: policies_of_organisations
SELECT policy_id, effective_on, org_id, site_id, weekly_offs, flexible_day_start, expects_attendance
FROM policy
WHERE org_id = ANY ($1::text[]);

-- name: default_policies
SELECT org_id, org_type, default_policy, default_policy_on
FROM organisation
WHERE org_id = ANY ($1::text[]) AND default_policy IS NOT NULL;

-- name: homes
SELECT person_id, org_id, home_site_id FROM person WHERE org_id = ANY ($1::text[]);

-- name: shift_versions
SELECT shift_id, effective_on, rule FROM shift WHERE shift_id = ANY ($1::text[]);

-- name: people_of_sites
SELECT person_id FROM person WHERE home_site_id = ANY ($1::text[]);

-- name: people_of_shift
SELECT person_id FROM person WHERE default_shift_id = $1
UNION
SELECT person_id FROM roster WHERE shift_id = $1;
