-- The read model. Everything here can be dropped and rebuilt from Kafka.
-- Names carry no schema: the connection's search_path says where they lie.

CREATE TABLE organisation (
    org_id text PRIMARY KEY,
    name text NOT NULL,
    time_zone text NOT NULL
);
COMMENT ON TABLE organisation IS 'Organisations (tenants) as last recorded.';

CREATE TABLE site (
    site_id text PRIMARY KEY,
    org_id text NOT NULL,
    name text NOT NULL,
    time_zone text NOT NULL
);
COMMENT ON TABLE site IS 'Sites as last recorded; time_zone is an IANA name.';
CREATE INDEX site_org ON site (org_id);

CREATE TABLE device (
    device_id text PRIMARY KEY,
    org_id text NOT NULL,
    site_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    revoked boolean NOT NULL
);
COMMENT ON TABLE device IS 'Devices as last recorded.';
CREATE INDEX device_org ON device (org_id, site_id);

CREATE TABLE person (
    person_id text PRIMARY KEY,
    org_id text NOT NULL,
    home_site_id text NOT NULL,
    display_name text NOT NULL,
    badge text,
    joined_on date,
    left_on date,
    active boolean NOT NULL,
    default_shift_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE person IS 'People as last recorded. The home site gives the zone of their local times.';
CREATE INDEX person_org ON person (org_id, display_name);
CREATE INDEX person_home_site ON person (home_site_id);
CREATE INDEX person_default_shift ON person (default_shift_id) WHERE default_shift_id IS NOT NULL;

CREATE TABLE shift (
    shift_id text NOT NULL,
    effective_on date NOT NULL,
    org_id text NOT NULL,
    name text NOT NULL,
    rule jsonb NOT NULL,
    PRIMARY KEY (shift_id, effective_on)
);
COMMENT ON TABLE shift IS 'Versions of shifts, each in force from effective_on until the next.';
COMMENT ON COLUMN shift.rule IS 'Fields of ShiftRecorded: start, end, time_zone, window_before_minutes and so on.';
CREATE INDEX shift_org ON shift (org_id);

CREATE TABLE roster (
    roster_id text PRIMARY KEY,
    org_id text NOT NULL,
    person_id text NOT NULL,
    shift_id text NOT NULL,
    starts_on date NOT NULL,
    ends_on date,
    weekdays text[] NOT NULL
);
COMMENT ON TABLE roster IS 'Who works which shift between two local dates, inclusive; no ends_on: open.';
COMMENT ON COLUMN roster.weekdays IS 'MON to SUN; empty: every day.';
CREATE INDEX roster_person ON roster (person_id, starts_on);
CREATE INDEX roster_shift ON roster (shift_id);

CREATE TABLE capture (
    capture_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    org_id text NOT NULL,
    device_id text NOT NULL,
    site_id text NOT NULL,
    device_sequence bigint NOT NULL,
    direction text,
    time_trust text NOT NULL,
    outcome text NOT NULL,
    person_id text,
    score real,
    runner_up_person_id text,
    runner_up_score real,
    threshold real,
    margin real,
    model_name text NOT NULL,
    model_version text NOT NULL,
    decision_round integer NOT NULL,
    reason text,
    image_bucket text NOT NULL,
    image_key text NOT NULL,
    image_sha256 text NOT NULL,
    received_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    projected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (capture_id, occurred_at)
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE capture IS 'Captures with the newest decision on each, by UTC month of occurred_at.';
COMMENT ON COLUMN capture.person_id IS 'IDENTIFIED: the person. REVIEW: the best candidate.';
COMMENT ON COLUMN capture.score IS 'Cosine similarity with that person, in [-1, 1]; greater is more alike.';
COMMENT ON COLUMN capture.decision_round IS 'Of the decision shown; a later round supersedes.';
CREATE INDEX capture_org ON capture (org_id, occurred_at);
CREATE INDEX capture_device ON capture (device_id, occurred_at);
CREATE INDEX capture_person ON capture (person_id, occurred_at) WHERE person_id IS NOT NULL;
CREATE INDEX capture_review ON capture (org_id, occurred_at) WHERE outcome = 'REVIEW';

CREATE TABLE punch (
    punch_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    org_id text NOT NULL,
    person_id text NOT NULL,
    site_id text NOT NULL,
    device_id text NOT NULL,
    direction text,
    method text NOT NULL,
    capture_id uuid,
    placement text NOT NULL,
    placed_on date,
    placed_shift_id text,
    PRIMARY KEY (punch_id, occurred_at),
    CONSTRAINT punch_has_one_place CHECK (
        CASE placement
            WHEN 'DAY' THEN placed_on IS NOT NULL AND placed_shift_id IS NOT NULL
            WHEN 'REVIEW' THEN placed_on IS NULL AND placed_shift_id IS NULL
            WHEN 'WAITING' THEN placed_on IS NULL AND placed_shift_id IS NULL
            ELSE false
        END
    )
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE punch IS 'Accepted punches, each in exactly one place, by UTC month of occurred_at.';
COMMENT ON COLUMN punch.punch_id IS 'For a face: the capture_id.';
COMMENT ON COLUMN punch.placement IS
    'DAY: on the day (person_id, placed_on, placed_shift_id). REVIEW: in the window of no shift, counts nothing.
WAITING: the person or the home site is not recorded yet.';
CREATE INDEX punch_person ON punch (person_id, occurred_at);
CREATE INDEX punch_org ON punch (org_id, occurred_at);
CREATE INDEX punch_not_on_a_day ON punch (org_id, occurred_at) WHERE placement <> 'DAY';

CREATE TABLE attendance_day (
    person_id text NOT NULL,
    attendance_on date NOT NULL,
    shift_id text NOT NULL,
    org_id text NOT NULL,
    site_id text NOT NULL,
    status text NOT NULL,
    worked_minutes integer NOT NULL,
    first_in_at timestamptz,
    last_out_at timestamptz,
    late boolean NOT NULL,
    late_minutes integer NOT NULL,
    early boolean NOT NULL,
    early_minutes integer NOT NULL,
    missing text,
    open_since timestamptz,
    punch_count integer NOT NULL,
    explanation jsonb NOT NULL,
    shift_effective_on date NOT NULL,
    PRIMARY KEY (person_id, attendance_on, shift_id)
) PARTITION BY RANGE (attendance_on);
COMMENT ON TABLE attendance_day IS 'One row for each person, shift and local date on which the shift starts.';
COMMENT ON COLUMN attendance_day.site_id IS 'Home site of the person when the day was computed.';
COMMENT ON COLUMN attendance_day.late_minutes IS 'Whole minutes from the start of the shift; 0 when not late.';
COMMENT ON COLUMN attendance_day.early_minutes IS 'Whole minutes to the end of the shift; 0 when not early.';
COMMENT ON COLUMN attendance_day.missing IS 'in, out or null: what was forgotten.';
COMMENT ON COLUMN attendance_day.open_since IS 'The in that nothing has closed yet: the person may be there.';
COMMENT ON COLUMN attendance_day.punch_count IS 'Punches used; repeats and ignored ones are in the explanation.';
COMMENT ON COLUMN attendance_day.explanation IS 'List of {rule, punch, text}.';
CREATE INDEX attendance_day_org ON attendance_day (org_id, attendance_on);
CREATE INDEX attendance_day_site ON attendance_day (site_id, attendance_on);
CREATE INDEX attendance_day_open ON attendance_day (org_id, site_id, open_since) WHERE open_since IS NOT NULL;

CREATE TABLE enrolment (
    enrolment_id uuid PRIMARY KEY,
    org_id text NOT NULL,
    person_id text NOT NULL,
    outcome text NOT NULL,
    template_count integer NOT NULL,
    photos jsonb NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL
);
COMMENT ON TABLE enrolment IS 'Decided enrolments.';
COMMENT ON COLUMN enrolment.photos IS 'List of {sha256, accepted, template_id, reasons}.';
CREATE INDEX enrolment_person ON enrolment (person_id, decided_at);

CREATE TABLE consumed_position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE consumed_position IS
    'Where the projector goes on; moves in the transaction that applies the records. Full topic names.';

CREATE FUNCTION ensure_partitions(parent text, months date[]) RETURNS integer
LANGUAGE plpgsql AS $$
-- Make the missing partitions of a table for the months that contain these dates; return how many were made.
-- Attaching a finished table blocks neither readers nor writers of the parent. Two callers wait for each other.
DECLARE
    month date;
    child text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'), hashtext(current_schema()));
    FOR month IN
        SELECT DISTINCT date_trunc('month', each::timestamp)::date FROM unnest(months) AS each ORDER BY 1
    LOOP
        child := format('%s_%s', parent, to_char(month, 'YYYY_MM'));
        CONTINUE WHEN to_regclass(format('%I.%I', current_schema(), child)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, child,
            -- Partition bounds are UTC, whatever the zone of the session.
            to_char(month, 'YYYY-MM-DD') || CASE parent WHEN 'attendance_day' THEN '' ELSE ' 00:00:00+00' END,
            to_char(month + interval '1 month', 'YYYY-MM-DD')
                || CASE parent WHEN 'attendance_day' THEN '' ELSE ' 00:00:00+00' END
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION ensure_partitions IS 'Make monthly partitions of capture, punch or attendance_day.';
