-- Two organisations. Every text of the second begins with "umbrella" where it is its own; two of its rows name a
-- person and a site of the first, as a confused import might, and must not bring their names along.
INSERT INTO organisation (org_id, name, time_zone) VALUES ('acme', 'Acme', 'Asia/Kolkata'), ('umbrella', 'umbrella corp', 'Europe/Berlin');
UPDATE organisation
SET org_type = 'plant', default_policy = '{"weekly_offs": ["SUN"], "flexible_day_start": null, "expects_attendance": true}',
    default_policy_on = '2026-01-05'
WHERE org_id = 'acme';
INSERT INTO site VALUES
    ('acme', 'pune-1', 'Pune plant', 'Asia/Kolkata'),
    ('acme', 'goa-1', 'Goa plant', 'Asia/Kolkata'),
    ('umbrella', 'umbrella-site', 'umbrella hive', 'Europe/Berlin');
INSERT INTO device VALUES
    ('acme', 'kiosk-3', 'pune-1', 'Gate', 'kiosk', false),
    ('acme', 'kiosk-5', 'pune-1', 'Stolen', 'kiosk', true),
    ('umbrella', 'kiosk-3', 'umbrella-site', 'umbrella gate', 'kiosk', true);
INSERT INTO person (
    person_id, org_id, home_site_id, display_name, badge, joined_on, left_on, active, default_shift_id, recorded_at
) VALUES
    ('p-1', 'acme', 'pune-1', 'Asha Rao', 'B-77', '2024-01-08', NULL, true, 'day', '2026-01-01Z'),
    ('p-2', 'acme', 'goa-1', 'Bela Das', NULL, NULL, NULL, true, NULL, '2026-01-01Z'),
    ('p-3', 'acme', 'pune-1', 'Carlos 100%', 'B-78', NULL, '2026-02-01', false, NULL, '2026-01-01Z'),
    ('umbrella-1', 'umbrella', 'umbrella-site', 'umbrella ursula', 'umbrella-badge', NULL, NULL, true, NULL, '2026-01-01Z');

SELECT ensure_partitions(table_name, ARRAY['2026-01-01', '2026-02-01', '2026-03-01', '2026-04-01']::date[])
FROM partitioned_table WHERE kept_with = 'days';
SELECT ensure_partitions('punch', ARRAY['2026-03-01']::date[]);
SELECT ensure_partitions('capture',
    ARRAY['2025-09-01', '2026-01-01', '2026-02-01', '2026-03-01', '2026-04-01']::date[]);

INSERT INTO attendance_day (
    person_id, attendance_on, shift_id, org_id, site_id, status, worked_minutes, first_in_at, last_out_at, late,
    late_minutes, early, early_minutes, missing, open_since, punch_count, shift_effective_on
)
SELECT person_id, attendance_on, shift_id, org_id, site_id, status, 240, '2026-03-02 02:30Z', NULL, true,
    7, false, 0, NULL, open_since, 1, '2026-01-01'
FROM (VALUES
    ('p-1', date '2026-01-15', 'day', 'acme', 'pune-1', 'PRESENT', NULL::timestamptz),
    ('p-1', date '2026-02-27', 'day', 'acme', 'pune-1', 'PRESENT', NULL),
    ('p-1', date '2026-03-01', 'day', 'acme', 'pune-1', 'ABSENT', NULL),
    ('p-1', date '2026-03-02', 'day', 'acme', 'pune-1', 'INCOMPLETE', '2026-03-02 02:30Z'),
    ('p-1', date '2026-03-02', 'split', 'acme', 'pune-1', 'INCOMPLETE', '2026-03-02 03:30Z'),
    ('p-2', date '2026-03-01', 'night', 'acme', 'goa-1', 'INCOMPLETE', '2026-03-01 20:30Z'),
    ('p-2', date '2026-03-02', 'day', 'acme', 'goa-1', 'PRESENT', NULL),
    ('p-3', date '2026-02-28', 'day', 'acme', 'pune-1', 'INCOMPLETE', '2026-03-01 12:30Z'),
    ('umbrella-1', date '2026-03-02', 'umbrella-shift', 'umbrella', 'umbrella-site', 'INCOMPLETE', '2026-03-02 02:30Z'),
    ('p-1', date '2026-03-02', 'umbrella-shift', 'umbrella', 'pune-1', 'INCOMPLETE', '2026-03-02 02:30Z')
) AS day (person_id, attendance_on, shift_id, org_id, site_id, status, open_since);
INSERT INTO day_explanation (org_id, person_id, attendance_on, shift_id, explanation)
SELECT org_id, person_id, attendance_on, shift_id,
    jsonb_build_array(jsonb_build_object('rule', 'status', 'punch', NULL, 'text', org_id))
FROM attendance_day;
INSERT INTO open_day (org_id, person_id, attendance_on, shift_id, site_id, open_since)
SELECT org_id, person_id, attendance_on, shift_id, site_id, open_since FROM attendance_day WHERE open_since IS NOT NULL;

INSERT INTO capture (
    capture_id, occurred_at, org_id, device_id, site_id, device_sequence, direction, time_trust, outcome, person_id,
    score, runner_up_person_id, runner_up_score, threshold, margin, model_name, model_version, decision_round, reason,
    image_bucket, image_key, image_sha256, received_at, decided_at
)
SELECT capture_id::uuid, occurred_at, org_id, device_id, site_id, 7, 'IN', 'SYNCED', outcome, person_id,
    0.71, NULL, NULL, 0.5, 0.05, 'SFace', '1', 0, NULL, 'images', 'secret-key', 'sha', occurred_at, occurred_at
FROM (VALUES
    ('019cac8c-6d40-7c3a-9b1e-000000000001', timestamptz '2026-03-02 02:30Z', 'acme', 'kiosk-3', 'pune-1', 'IDENTIFIED', 'p-1'),
    ('019cac8c-6d40-7c3a-9b1e-000000000002', timestamptz '2026-03-02 02:30Z', 'acme', 'kiosk-4', 'goa-1', 'UNKNOWN', NULL),
    ('019c7813-1400-7c3a-9b1e-000000000003', timestamptz '2026-02-20 02:30Z', 'acme', 'kiosk-3', 'pune-1', 'REVIEW', 'p-3'),
    ('019cac8c-6d40-7c3a-9b1e-000000000004', timestamptz '2025-09-20 02:30Z', 'acme', 'kiosk-3', 'pune-1', 'IDENTIFIED', 'p-1'),
    ('019cac8c-6d40-7c3a-9b1e-00000000000a', timestamptz '2026-03-02 02:30Z', 'umbrella', 'umbrella-kiosk', 'umbrella-site', 'IDENTIFIED', 'umbrella-1'),
    ('019cac8c-6d40-7c3a-9b1e-00000000000b', timestamptz '2026-03-02 02:31Z', 'umbrella', 'kiosk-3', 'pune-1', 'IDENTIFIED', 'p-1')
) AS capture (capture_id, occurred_at, org_id, device_id, site_id, outcome, person_id);

-- In the window of no shift: at 20:00 in Pune, on 3 March there and on the 2nd in UTC, one of Goa, and one of the other
-- organisation under the ids of the first. One more lies on its day.
INSERT INTO punch (
    org_id, punch_id, occurred_at, person_id, site_id, device_id, direction, method, placement, placed_on, placed_shift_id
) VALUES
    ('acme', '019cac8c-6d40-7c3a-9b1e-000000000081', '2026-03-02 14:30Z', 'p-1', 'pune-1', 'kiosk-3', 'OUT', 'badge', 'REVIEW', NULL, NULL),
    ('acme', '019cac8c-6d40-7c3a-9b1e-000000000082', '2026-03-02 20:00Z', 'p-1', NULL, NULL, NULL, 'correction', 'REVIEW', NULL, NULL),
    ('acme', '019cac8c-6d40-7c3a-9b1e-000000000083', '2026-03-02 03:30Z', 'p-2', 'pune-1', 'kiosk-3', NULL, 'pin', 'REVIEW', NULL, NULL),
    ('acme', '019cac8c-6d40-7c3a-9b1e-000000000084', '2026-03-02 03:30Z', 'p-1', 'pune-1', 'kiosk-3', 'IN', 'badge', 'DAY', '2026-03-02', 'day'),
    ('umbrella', '019cac8c-6d40-7c3a-9b1e-000000000081', '2026-03-02 14:30Z', 'p-1', 'umbrella-site', 'umbrella-kiosk', 'OUT', 'badge', 'REVIEW', NULL, NULL),
    ('umbrella', '019cac8c-6d40-7c3a-9b1e-000000000082', '2026-03-02 14:31Z', 'umbrella-1', 'umbrella-site', 'umbrella-kiosk', NULL, 'badge', 'REVIEW', NULL, NULL);

INSERT INTO enrolment (
    enrolment_id, org_id, person_id, outcome, template_count, photos, requested_at, decided_at, model_name, model_version,
    decision_round, erased
) VALUES
    ('019cac8c-6d40-7c3a-9b1e-0000000000e1', 'acme', 'p-1', 'ENROLLED', 1,
     '[{"sha256": "s", "accepted": true, "template_id": null, "reasons": []}]', '2026-03-01Z', '2026-03-01Z', 'SFace', '1', 0, false),
    ('019cac8c-6d40-7c3a-9b1e-0000000000ea', 'umbrella', 'p-1', 'REJECTED', 0, '[]', '2026-03-01Z', '2026-03-01Z', 'SFace', '1', 0, false);

-- February is closed for acme, 1 March for Pune and p-1 alone, January was reopened, March is not all sealed yet, and of
-- another lock of March for Goa only the lock itself is here. Of ...bf only a reopening is.
INSERT INTO period_lock (
    lock_id, org_id, site_id, starts_on, ends_on, made_by, reason, recorded_at, sealing_id, person_count, in_force
)
SELECT lock_id::uuid, org_id, site_id, starts_on, ends_on, 'hr of ' || org_id,
    CASE org_id WHEN 'acme' THEN 'asked for by Asha Rao' ELSE 'umbrella payroll' END, ends_on + interval '30 h',
    lock_id::uuid, 1, in_force
FROM (VALUES
    ('019cac8c-6d40-7c3a-9b1e-0000000000b1', 'acme', NULL, date '2026-02-01', date '2026-02-28', true),
    ('019cac8c-6d40-7c3a-9b1e-0000000000b2', 'acme', 'pune-1', '2026-03-01', '2026-03-01', true),
    ('019cac8c-6d40-7c3a-9b1e-0000000000b3', 'acme', NULL, '2026-01-01', '2026-01-31', false),
    ('019cac8c-6d40-7c3a-9b1e-0000000000b4', 'acme', NULL, '2026-03-01', '2026-03-31', false),
    ('019cac8c-6d40-7c3a-9b1e-0000000000b5', 'acme', 'goa-1', '2026-03-02', '2026-03-31', false),
    ('019cac8c-6d40-7c3a-9b1e-0000000000ba', 'umbrella', NULL, '2026-03-02', '2026-03-31', true),
    ('019cac8c-6d40-7c3a-9b1e-0000000000bb', 'umbrella', 'pune-1', '2026-03-02', '2026-03-02', false)
) AS lock (lock_id, org_id, site_id, starts_on, ends_on, in_force);
UPDATE period_lock SET reopening_id = '019cac8c-6d40-7c3a-9b1e-0000000000dd', reopened_by = 'hr-2', reopened_because = 'wrong calendar', reopened_at = '2026-03-05Z'
WHERE lock_id = '019cac8c-6d40-7c3a-9b1e-0000000000b3';
UPDATE period_lock SET sealing_id = NULL, person_count = NULL WHERE site_id = 'goa-1';
INSERT INTO period_lock (org_id, lock_id, reopened_by, reopened_because, reopened_at)
VALUES ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000bf', 'hr-2', 'umbrella', '2026-03-05Z');
INSERT INTO locked_person SELECT org_id, lock_id, sealing_id, 'p-1' FROM period_lock WHERE site_id = 'pune-1' AND in_force;

INSERT INTO adjustment (
    person_id, attendance_on, shift_id, booked_on, org_id, site_id, status_from, status_to, worked_minutes,
    overtime_minutes, late_minutes, early_minutes, break_minutes, explanation, settled_by
)
SELECT person_id, attendance_on, shift_id, booked_on, org_id, site_id, 'PRESENT', NULL, -240, 0, -7, 0, 0,
    jsonb_build_array(jsonb_build_object('rule', 'adjustment', 'punch', NULL, 'text', org_id)), settled_by::uuid
FROM (VALUES
    ('p-1', date '2026-02-27', 'day', date '2026-03-02', 'acme', 'pune-1', NULL),
    ('p-1', '2026-02-27', 'split', '2026-03-02', 'acme', 'pune-1', NULL),
    ('p-1', '2026-01-27', 'day', '2026-02-01', 'acme', 'pune-1', '019cac8c-6d40-7c3a-9b1e-0000000000b1'),
    ('p-2', '2026-02-26', 'day', '2026-03-01', 'acme', 'goa-1', NULL),
    ('umbrella-1', '2026-03-02', 'umbrella-shift', '2026-04-01', 'umbrella', 'umbrella-site', NULL),
    ('p-1', '2026-02-27', 'umbrella-shift', '2026-03-02', 'umbrella', 'pune-1', NULL)
) AS adjustment (person_id, attendance_on, shift_id, booked_on, org_id, site_id, settled_by);

INSERT INTO refused_fact (
    org_id, kind, fact_id, reason, detail, person_id, site_id, device_id, made_by, about_on, recorded_at
) VALUES
    ('acme', 'MatchDecided', '019cac8c-6d40-7c3a-9b1e-0000000000c1', 'impossible-instant', 'of Asha Rao', 'p-1', 'pune-1', 'kiosk-3', NULL, '1970-01-01', '2026-03-02Z'),
    ('acme', 'ReviewDecided', '019cac8c-6d40-7c3a-9b1e-0000000000c2', 'out-of-scope', 'of Asha Rao', 'p-1', 'goa-1', NULL, 'u-2', '2026-03-02', '2026-03-02Z'),
    ('umbrella', 'ReviewDecided', '019cac8c-6d40-7c3a-9b1e-0000000000c2', 'out-of-scope', 'umbrella', NULL, 'umbrella-site', NULL, 'u-2', '2026-03-02', '2026-03-02Z');

-- What became of facts without rows: ...c3 waits and ...c4 is a dead letter for acme; umbrella has the same ids the other way
-- round.
INSERT INTO awaited_fact (org_id, kind, fact_id, person_id, site_id, device_id, occurred_at, accepted_at) VALUES
    ('acme', 'CaptureReceived', '019cac8c-6d40-7c3a-9b1e-0000000000c3', NULL, 'pune-1', 'kiosk-3', '2026-03-02Z', '2026-03-02 08:00Z'),
    ('acme', 'EnrolmentRequested', '019cac8c-6d40-7c3a-9b1e-0000000000e3', 'p-1', NULL, NULL, '2026-03-02Z', '2026-03-02 08:00Z'),
    ('umbrella', 'CaptureReceived', '019cac8c-6d40-7c3a-9b1e-0000000000c4', NULL, 'umbrella-site', 'kiosk-3', '2026-03-02Z', '2026-03-02Z');
INSERT INTO dead_letter (org_id, kind, fact_id, reason, person_id, site_id, device_id, accepted_at, dead_at) VALUES
    ('acme', 'CaptureReceived', '019cac8c-6d40-7c3a-9b1e-0000000000c4', 'undecodable-image', NULL, 'pune-1', 'kiosk-3', '2026-03-02Z', '2026-03-02Z'),
    ('acme', 'EnrolmentRequested', '019cac8c-6d40-7c3a-9b1e-0000000000e4', 'image-missing', 'p-1', NULL, NULL, '2026-03-02Z', '2026-03-02Z'),
    ('umbrella', 'CaptureReceived', '019cac8c-6d40-7c3a-9b1e-0000000000c3', 'umbrella', NULL, 'umbrella-site', 'kiosk-3', '2026-03-02Z', '2026-03-02Z');
INSERT INTO refused_fact (
    org_id, kind, fact_id, reason, detail, person_id, site_id, device_id, made_by, about_on, recorded_at
) VALUES
    ('acme', 'PunchSubmitted', '019cac8c-6d40-7c3a-9b1e-0000000000f4', 'impossible-instant', 'set the clock', 'p-1', 'pune-1', 'kiosk-3', 'kiosk-3', '1970-01-01', '2026-02-02Z'),
    ('acme', 'PunchAdded', '019cac8c-6d40-7c3a-9b1e-0000000000d4', 'out-of-scope', 'ask somebody else', 'p-2', 'goa-1', NULL, 'u-2', '2026-03-02', '2026-02-02Z');
SELECT ensure_partitions('punch', ARRAY['2026-03-01']::date[]);
INSERT INTO punch (org_id, punch_id, occurred_at, person_id, site_id, device_id, direction, method, placement, placed_on, placed_shift_id) VALUES
    ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000f1', '2026-03-02 02:30Z', 'p-1', 'pune-1', 'kiosk-3', 'IN', 'badge', 'DAY', '2026-03-02', 'day'),
    ('umbrella', '019cac8c-6d40-7c3a-9b1e-0000000000f1', '2026-03-02 02:30Z', 'umbrella-1', 'umbrella-site', 'kiosk-3', 'IN', 'pin', 'REVIEW', NULL, NULL);
INSERT INTO pending_fact (org_id, fact_id, occurred_at, badge, person_id, site_id, device_id, direction, method) VALUES
    ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000f2', '2026-03-02 02:30Z', 'B-1', NULL, 'goa-1', 'kiosk-4', 'IN', 'badge');
INSERT INTO correction (org_id, correction_id, person_id, kind, made_by, reason, recorded_at) VALUES
    ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000d1', 'p-1', 'VOID', 'u-9', 'asked', '2026-03-02Z');
-- The newest review of ...03 is beyond its maker's authority.
INSERT INTO review (org_id, review_id, capture_id, person_id, made_by, reason, recorded_at) VALUES
    ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000d2', '019c7813-1400-7c3a-9b1e-000000000003', 'p-1', 'u-2', 'seen', '2026-03-01Z'),
    ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000c2', '019c7813-1400-7c3a-9b1e-000000000003', 'p-2', 'u-2', 'seen', '2026-03-02Z');
INSERT INTO erasure (org_id, erasure_id, person_id, requested_at, made_by) VALUES
    ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000a1', 'p-1', '2026-03-02Z', 'hr-1'),
    ('acme', '019cac8c-6d40-7c3a-9b1e-0000000000a2', 'p-2', '2026-03-02Z', 'hr-1');
INSERT INTO erased_person (org_id, person_id, erased_until, completed_at) VALUES
    ('acme', 'p-1', '2026-03-02Z', '2026-03-02 00:00:01Z');
