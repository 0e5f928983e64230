-- An organisation of 30,000 people at 6,000 sites: 33 dates of a year each, every month locked site by site but the last;
-- 200,000 captures of its last quarter, and 170,000 people more, who only have names. All by the numbers themselves, so that
-- every run has the same rows.
SELECT ensure_partitions(table_name, ARRAY(SELECT on_date::date FROM generate_series(date '2025-01-01', '2025-12-01', '1 month') AS on_date))
FROM partitioned_table;
INSERT INTO organisation (org_id, name, time_zone) VALUES ('big', 'Big', 'UTC');
INSERT INTO site SELECT 'big', 'site-' || n, 'Site ' || n, 'UTC' FROM generate_series(0, 5999) AS n;
INSERT INTO device SELECT 'big', 'kiosk-' || n, 'site-' || n, 'Kiosk ' || n, 'kiosk', false FROM generate_series(0, 5999) AS n;
INSERT INTO person (org_id, person_id, home_site_id, display_name, badge, active, recorded_at)
SELECT 'big', 'p-' || lpad(n::text, 6, '0'), 'site-' || n % 6000,
    (ARRAY['Asha', 'Bela', 'Carlos', 'Dina', 'Edo', 'Fatima', 'Gita', 'Hari'])[n % 8 + 1] || ' '
        || substr(md5(n::text), 1, 8) || CASE n WHEN 123456 THEN ' Quexington' ELSE '' END,
    'b-' || n, true, '2025-01-01Z'
FROM generate_series(0, 199999) AS n;

INSERT INTO attendance_day (
    org_id, person_id, attendance_on, shift_id, site_id, status, worked_minutes, first_in_at, last_out_at, late, late_minutes,
    early, early_minutes, open_since, punch_count, shift_effective_on
)
SELECT 'big', 'p-' || lpad(n::text, 6, '0'), on_date, 'day', 'site-' || n % 6000,
    CASE WHEN n = 29999 THEN 'ABSENT' WHEN (n + k) % 20 = 0 THEN 'HALF_DAY' WHEN (n + k) % 50 = 1 THEN 'INCOMPLETE' ELSE 'PRESENT' END,
    480, on_date + time '08:00', on_date + time '16:00', false, 0, false, 0,
    CASE WHEN (n + k) % 50 = 1 THEN on_date + time '08:00' END, 2, '2025-01-01'
FROM generate_series(0, 32) AS k, LATERAL (SELECT date '2025-01-02' + 11 * k AS on_date) AS day, generate_series(0, 29999) AS n;
INSERT INTO open_day (org_id, person_id, attendance_on, shift_id, site_id, open_since)
SELECT org_id, person_id, attendance_on, shift_id, site_id, open_since FROM attendance_day WHERE open_since IS NOT NULL;
-- Two thirds of the people are in.
INSERT INTO open_day (org_id, person_id, attendance_on, shift_id, site_id, open_since)
SELECT 'big', 'p-' || lpad(n::text, 6, '0'), '2025-12-31', 'day', 'site-' || n % 6000, '2025-12-31 08:00Z'
FROM generate_series(0, 29999) AS n WHERE n % 3 > 0;
INSERT INTO day_explanation (org_id, person_id, attendance_on, shift_id, explanation)
SELECT org_id, person_id, attendance_on, shift_id, '[{"rule": "status", "punch": null, "text": "PRESENT"}]'
FROM attendance_day WHERE person_id < 'p-003000';

INSERT INTO period_lock (
    org_id, lock_id, site_id, starts_on, ends_on, made_by, reason, recorded_at, sealing_id, person_count, in_force
)
SELECT 'big', md5(month || ' ' || n)::uuid, 'site-' || n, month, (month + interval '1 month - 1 day')::date, 'hr', 'paid',
    '2025-12-31Z', md5(month || ' ' || n)::uuid, 5, true
FROM generate_series(0, 5999) AS n, unnest(ARRAY['2025-10-01', '2025-11-01']::date[]) AS month;
INSERT INTO locked_person (org_id, lock_id, sealing_id, person_id)
SELECT 'big', lock_id, sealing_id, 'p-' || lpad((replace(site_id, 'site-', '')::int + 6000 * k)::text, 6, '0')
FROM period_lock, generate_series(0, 4) AS k;
INSERT INTO adjustment (
    org_id, person_id, attendance_on, shift_id, booked_on, site_id, worked_minutes, overtime_minutes, late_minutes,
    early_minutes, break_minutes, explanation
)
SELECT 'big', 'p-' || lpad(n::text, 6, '0'), '2025-11-03', 'day', '2025-12-01', 'site-' || n % 6000, 30, 0, 0, 0, 0, '[]'
FROM generate_series(0, 29999, 10) AS n;

-- Nobody has taken a capture at site-5999.
INSERT INTO capture (
    org_id, capture_id, occurred_at, device_id, site_id, device_sequence, time_trust, outcome, person_id, model_name,
    model_version, decision_round, image_bucket, image_key, image_sha256, received_at, decided_at
)
SELECT 'big', md5(n::text)::uuid, at, 'kiosk-' || n % 5999, 'site-' || n % 5999, n, 'SYNCED',
    CASE WHEN n % 1000 = 0 THEN 'REVIEW' WHEN n % 100 = 1 THEN 'UNKNOWN' ELSE 'IDENTIFIED' END,
    'p-' || lpad((n % 30000)::text, 6, '0'), 'm', '1', 0, 'b', 'k', 's', at, at
FROM generate_series(0, 199999) AS n, LATERAL (SELECT timestamptz '2025-10-01Z' + n * interval '39 seconds' AS at) AS fact;
-- A million punches, of which one in 250 lies in the window of no shift, of somebody else each.
INSERT INTO punch (
    org_id, punch_id, occurred_at, person_id, site_id, device_id, direction, method, capture_id, placement, placed_on, placed_shift_id
)
SELECT 'big', md5(n::text)::uuid, at, 'p-' || lpad((CASE WHEN n % 250 = 17 THEN n / 250 ELSE n % 29999 END)::text, 6, '0'),
    'site-1', 'kiosk-1', NULL, 'badge', NULL, CASE WHEN n % 250 = 17 THEN 'REVIEW' ELSE 'DAY' END,
    CASE WHEN n % 250 <> 17 THEN at::date END, CASE WHEN n % 250 <> 17 THEN 'day' END
FROM generate_series(0, 999999) AS n, LATERAL (SELECT timestamptz '2025-01-01Z' + n * interval '31 seconds' AS at) AS fact;
INSERT INTO enrolment (
    org_id, enrolment_id, person_id, outcome, template_count, photos, requested_at, decided_at, model_name, model_version,
    decision_round, erased
)
SELECT 'big', md5(n::text)::uuid, 'p-' || lpad(n::text, 6, '0'), 'ENROLLED', 1, '[]', '2025-01-01Z', '2025-01-01Z', 'm', '1', 0, false
FROM generate_series(0, 29999) AS n;

-- 20,000 refused facts of three months, one in a hundred of them a capture.
INSERT INTO refused_fact (org_id, kind, fact_id, reason, detail, site_id, device_id, made_by, recorded_at)
SELECT 'big', CASE WHEN number % 100 = 0 THEN 'MatchDecided' ELSE 'PunchAdded' END, md5(number::text)::uuid::text,
    'out-of-scope', 'no reason at all', 'site-' || number % 6000, NULL, 'supervisor-' || number % 500,
    timestamptz '2025-10-01Z' + number * interval '6 minutes'
FROM generate_series(1, 20000) AS number;

-- As many that wait or are dead letters, corrections, reviews and erasures; every other capture to be reviewed is.
INSERT INTO awaited_fact (org_id, kind, fact_id, site_id, device_id, occurred_at, accepted_at)
SELECT 'big', 'CaptureReceived', md5('w' || number)::uuid, 'site-1', 'kiosk-1', '2025-12-01Z', '2025-12-01Z'
FROM generate_series(1, 20000) AS number;
INSERT INTO dead_letter (org_id, kind, fact_id, reason, site_id, device_id, accepted_at, dead_at)
SELECT 'big', 'CaptureReceived', md5('d' || number)::uuid, 'image-missing', 'site-1', 'kiosk-1', '2025-12-01Z', '2025-12-01Z'
FROM generate_series(1, 20000) AS number;
INSERT INTO correction (org_id, correction_id, person_id, kind, made_by, reason, recorded_at)
SELECT 'big', md5(number::text)::uuid, 'p-' || lpad(number::text, 6, '0'), 'VOID', 'hr', 'asked', '2025-12-01Z'
FROM generate_series(1, 20000) AS number;
INSERT INTO review (org_id, review_id, capture_id, made_by, reason, recorded_at)
SELECT 'big', md5('r' || capture_id)::uuid, capture_id, 'hr', 'seen', '2025-12-31Z'
FROM capture WHERE outcome = 'REVIEW' AND device_sequence % 2000 = 0;
INSERT INTO erasure (org_id, erasure_id, person_id, requested_at, made_by)
SELECT 'big', md5(number::text)::uuid, 'p-' || lpad(number::text, 6, '0'), '2025-12-01Z', 'hr'
FROM generate_series(1, 20000) AS number;
INSERT INTO erased_person (org_id, person_id, erased_until, completed_at)
SELECT org_id, person_id, requested_at, requested_at FROM erasure;
INSERT INTO punch (org_id, punch_id, occurred_at, person_id, site_id, method, placement)
SELECT 'big', md5(n::text)::uuid, timestamptz '2025-10-01Z' + n * interval '6 minutes', 'p-000001', 'site-1', 'badge', 'REVIEW'
FROM generate_series(1, 20000) AS n;
