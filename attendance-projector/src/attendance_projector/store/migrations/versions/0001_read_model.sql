-- The read model: what the facts in Kafka come to. All of it can be dropped and made again from the log, but for what
-- `outbox` has not published yet.
--
-- An id is its organisation's own, so org_id begins every key, and two organisations that use the same ids never meet.
-- Ids are compared byte by byte (COLLATE "C"), as the services compare them. Nothing refers to another table by a
-- foreign key: facts come in any order, and what they name may be recorded later. Names carry no schema: the
-- connection's search_path says where they lie.

-- 1. The directory, as last recorded.

CREATE TABLE organisation (
    org_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    time_zone text NOT NULL,
    org_type text NOT NULL DEFAULT 'company',
    default_policy jsonb,
    default_policy_on date
);
COMMENT ON TABLE organisation IS 'Organisations (tenants) as last recorded.';
COMMENT ON COLUMN organisation.org_type IS 'Name of a type file; readers have its labels.';
COMMENT ON COLUMN organisation.default_policy IS
    'What the type said when the organisation was recorded: weekly_offs, flexible_day_start, expects_attendance; null: nothing.';
COMMENT ON COLUMN organisation.default_policy_on IS 'First local date on which default_policy holds; null: since ever.';

CREATE TABLE site (
    org_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    time_zone text NOT NULL,
    PRIMARY KEY (org_id, site_id)
);
COMMENT ON TABLE site IS 'Sites as last recorded; time_zone is an IANA name.';

CREATE TABLE device (
    org_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    revoked boolean NOT NULL,
    PRIMARY KEY (org_id, device_id)
);
COMMENT ON TABLE device IS 'Devices as last recorded.';

CREATE TABLE person (
    org_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    home_site_id text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    badge text COLLATE "C",
    joined_on date,
    left_on date,
    active boolean NOT NULL,
    default_shift_id text COLLATE "C",
    recorded_at timestamptz NOT NULL,
    earlier jsonb NOT NULL DEFAULT '[]',
    former_badges jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (org_id, person_id)
);
COMMENT ON TABLE person IS 'People as last recorded. The home site gives the zone of their local times.';
COMMENT ON COLUMN person.earlier IS
    'What held before, oldest first: home_site_id, default_shift_id, joined_on, left_on, active, until replaced_on.';
COMMENT ON COLUMN person.former_badges IS 'Badges that the person had: badge, held_until; oldest first.';
CREATE INDEX person_home_site ON person (org_id, home_site_id);
CREATE INDEX person_default_shift ON person (org_id, default_shift_id) WHERE default_shift_id IS NOT NULL;
CREATE INDEX person_badge ON person (org_id, badge) WHERE badge IS NOT NULL;
CREATE INDEX person_earlier ON person USING gin (earlier jsonb_path_ops) WHERE earlier <> '[]';
CREATE INDEX person_former_badges ON person USING gin (former_badges jsonb_path_ops) WHERE former_badges <> '[]';

-- A part of a name is found by the groups of three letters in it.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
DO $$
BEGIN
    -- Where the administrator has put the extension.
    EXECUTE format(
        'CREATE INDEX person_name ON person USING gin (lower(display_name) %I.gin_trgm_ops)',
        (SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'pg_trgm')
    );
END
$$;

CREATE TABLE shift (
    org_id text COLLATE "C" NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    name text NOT NULL,
    rule jsonb NOT NULL,
    PRIMARY KEY (org_id, shift_id, effective_on)
);
COMMENT ON TABLE shift IS 'Versions of shifts, each in force from effective_on until the next.';
COMMENT ON COLUMN shift.rule IS 'Fields of ShiftRecorded: start, end, time_zone, window_before_minutes and so on.';

CREATE TABLE roster (
    org_id text COLLATE "C" NOT NULL,
    roster_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    starts_on date NOT NULL,
    ends_on date,
    weekdays text[] NOT NULL,
    rotation_length integer,
    rotation_days integer[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (org_id, roster_id)
);
COMMENT ON TABLE roster IS 'Who works which shift between two local dates, inclusive; no ends_on: open.';
COMMENT ON COLUMN roster.weekdays IS 'MON to SUN; empty: every day.';
COMMENT ON COLUMN roster.rotation_length IS
    'Days of the cycle whose rotation_days have the shift, from starts_on on; null: by weekdays.';
CREATE INDEX roster_person ON roster (org_id, person_id);
CREATE INDEX roster_shift ON roster (org_id, shift_id);

CREATE TABLE holiday (
    org_id text COLLATE "C" NOT NULL,
    holiday_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C",
    name text NOT NULL,
    holiday_on date NOT NULL,
    PRIMARY KEY (org_id, holiday_id)
);
COMMENT ON TABLE holiday IS 'Local dates on which nobody is expected.';
COMMENT ON COLUMN holiday.site_id IS 'Home site of the people it is for; null: everybody in the organisation.';

CREATE TABLE leave (
    org_id text COLLATE "C" NOT NULL,
    leave_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    part text NOT NULL,
    name text,
    PRIMARY KEY (org_id, leave_id)
);
COMMENT ON TABLE leave IS 'Leave of people between two local dates, inclusive; part is FULL or HALF of each.';
CREATE INDEX leave_person ON leave (org_id, person_id);

CREATE TABLE policy (
    org_id text COLLATE "C" NOT NULL,
    policy_id text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    site_id text COLLATE "C",
    name text NOT NULL,
    weekly_offs text[] NOT NULL,
    flexible_day_start time,
    expects_attendance boolean NOT NULL,
    PRIMARY KEY (org_id, policy_id, effective_on)
);
COMMENT ON TABLE policy IS 'Versions of policies, each in force from effective_on until the next.';
COMMENT ON COLUMN policy.site_id IS 'For people with this home site; null: for sites that have no version of their own yet.';
COMMENT ON COLUMN policy.expects_attendance IS 'A shift without a punch makes a day: PENDING, then ABSENT.';

CREATE SEQUENCE directory_version;
-- A sequence shows its first value both before and after it was taken.
SELECT setval('directory_version', 1);
COMMENT ON SEQUENCE directory_version IS
    'Moves when a transaction may change the directory. A projector that remembers people compares it under the shared lock.';

-- 2. What was seen: captures, enrolments, punches, and what people decided about them.

CREATE TABLE capture (
    org_id text COLLATE "C" NOT NULL,
    capture_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    device_sequence bigint NOT NULL,
    direction text,
    time_trust text NOT NULL,
    outcome text NOT NULL,
    person_id text COLLATE "C",
    person_home_site_id text COLLATE "C",
    score real,
    runner_up_person_id text COLLATE "C",
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
    PRIMARY KEY (org_id, capture_id, occurred_at)
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE capture IS 'Captures with the newest decision on each, by UTC month of occurred_at.';
COMMENT ON COLUMN capture.person_id IS 'IDENTIFIED: the person. REVIEW: the best candidate.';
COMMENT ON COLUMN capture.person_home_site_id IS
    'Home site of that person when it was decided; null: nobody, or not known. Whose reviews count goes by it.';
COMMENT ON COLUMN capture.score IS 'Cosine similarity with that person, in [-1, 1]; greater is more alike.';
COMMENT ON COLUMN capture.decision_round IS 'Of the decision shown; a later round supersedes.';
CREATE INDEX capture_page ON capture (org_id, occurred_at);
CREATE INDEX capture_device ON capture (org_id, device_id, occurred_at);
CREATE INDEX capture_person ON capture (org_id, person_id, occurred_at) WHERE person_id IS NOT NULL;
CREATE INDEX capture_site ON capture (org_id, site_id, occurred_at);
-- Of outcomes that are few: whoever asks for them would read all the others.
CREATE INDEX capture_outcome ON capture (org_id, outcome, occurred_at) WHERE outcome <> 'IDENTIFIED';

CREATE TABLE enrolment (
    org_id text COLLATE "C" NOT NULL,
    enrolment_id uuid NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    outcome text NOT NULL,
    template_count integer NOT NULL,
    photos jsonb NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    decision_round integer NOT NULL,
    erased boolean NOT NULL,
    PRIMARY KEY (org_id, enrolment_id)
);
COMMENT ON TABLE enrolment IS 'Enrolments with the verdict on each that stands.';
COMMENT ON COLUMN enrolment.photos IS 'List of {sha256, accepted, template_id, reasons}.';
COMMENT ON COLUMN enrolment.decision_round IS 'Of the verdict shown; a later round supersedes.';
COMMENT ON COLUMN enrolment.erased IS 'The person was erased after the request: this verdict supersedes all others.';

CREATE TABLE punch (
    org_id text COLLATE "C" NOT NULL,
    punch_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C",
    device_id text COLLATE "C",
    direction text,
    method text NOT NULL,
    capture_id uuid,
    placement text NOT NULL,
    placed_on date,
    placed_shift_id text COLLATE "C",
    PRIMARY KEY (org_id, punch_id, occurred_at),
    CONSTRAINT punch_has_one_place CHECK (
        CASE placement
            WHEN 'DAY' THEN placed_on IS NOT NULL AND placed_shift_id IS NOT NULL
            WHEN 'VOIDED' THEN placed_on IS NOT NULL AND placed_shift_id IS NULL
            WHEN 'REVIEW' THEN placed_on IS NULL AND placed_shift_id IS NULL
            WHEN 'WAITING' THEN placed_on IS NULL AND placed_shift_id IS NULL
            ELSE false
        END
    )
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE punch IS 'Accepted punches, each in exactly one place, by UTC month of occurred_at.';
COMMENT ON COLUMN punch.punch_id IS 'For a face: the capture_id.';
COMMENT ON COLUMN punch.method IS 'face, badge, pin, qr, supervisor or correction.';
COMMENT ON COLUMN punch.device_id IS 'Null: a supervisor, or a correction.';
COMMENT ON COLUMN punch.placement IS
    'DAY: on the day (org_id, person_id, placed_on, placed_shift_id). REVIEW: in the window of no shift, counts nothing.
VOIDED: a correction took it off the date placed_on. WAITING: the person or the home site is not recorded yet.';
CREATE INDEX punch_person ON punch (org_id, person_id, occurred_at);
-- Few: whoever asks for them would read all the others.
CREATE INDEX punch_unscheduled ON punch (org_id, occurred_at, punch_id) WHERE placement = 'REVIEW';
-- No id is a capture and a punch without a face: asked for every capture, in every month.
CREATE INDEX punch_without_face ON punch (org_id, punch_id) WHERE method <> 'face';

CREATE TABLE pending_fact (
    org_id text COLLATE "C" NOT NULL,
    fact_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    badge text COLLATE "C" NOT NULL,
    person_id text COLLATE "C",
    site_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C",
    direction text,
    method text NOT NULL,
    PRIMARY KEY (org_id, fact_id)
);
COMMENT ON TABLE pending_fact IS
    'Punches with a badge that nobody had when it was shown; they belong to its holder, whom the directory names.';
COMMENT ON COLUMN pending_fact.person_id IS 'Who has the badge now; null: nobody yet.';
CREATE INDEX pending_fact_badge ON pending_fact (org_id, badge);

CREATE TABLE review (
    org_id text COLLATE "C" NOT NULL,
    review_id uuid NOT NULL,
    capture_id uuid NOT NULL,
    person_id text COLLATE "C",
    home_site_id text COLLATE "C",
    made_by text NOT NULL,
    sites text[],
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, review_id)
);
COMMENT ON TABLE review IS
    'Whom people saw on a capture; the newest whose authority reaches far enough stands above all decisions of recognition.';
COMMENT ON COLUMN review.person_id IS 'Null: nobody who counts.';
COMMENT ON COLUMN review.home_site_id IS 'Home site of that person when ingest accepted the review.';
COMMENT ON COLUMN review.sites IS 'Sites that the maker acts for; null: all.';
CREATE INDEX review_capture ON review (org_id, capture_id);

CREATE TABLE correction (
    org_id text COLLATE "C" NOT NULL,
    correction_id uuid NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    punch_id uuid,
    occurred_at timestamptz,
    site_id text COLLATE "C",
    direction text,
    voided_correction_id uuid,
    attendance_on date,
    shift_id text COLLATE "C",
    status text,
    worked_minutes integer,
    overtime_minutes integer,
    first_in_at timestamptz,
    last_out_at timestamptz,
    made_by text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, correction_id)
);
COMMENT ON TABLE correction IS 'What people corrected: who, when and why. Voided ones stay, as their voids do.';
COMMENT ON COLUMN correction.kind IS 'ADD, VOID or OVERRIDE.';
CREATE INDEX correction_person ON correction (org_id, person_id);

CREATE TABLE refused_fact (
    org_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    fact_id text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    person_id text COLLATE "C",
    site_id text COLLATE "C",
    device_id text COLLATE "C",
    made_by text COLLATE "C",
    about_on date,
    recorded_at timestamptz NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, kind, fact_id, reason)
);
COMMENT ON TABLE refused_fact IS 'Well-formed facts that the rules refuse: they count nothing, and why is told to people.';
COMMENT ON COLUMN refused_fact.kind IS 'Name of the event in the contract.';
COMMENT ON COLUMN refused_fact.fact_id IS
    'Of the capture, punch, correction, review, lock or reopening; of the directory that of the event.';
COMMENT ON COLUMN refused_fact.reason IS 'A word for machines, such as out-of-scope; detail says it to people.';
COMMENT ON COLUMN refused_fact.made_by IS 'Subject of the authority; null: a service, as of a decision of recognition.';
COMMENT ON COLUMN refused_fact.about_on IS 'The date that it is about, by which a rebuild knows final months; null: none.';
CREATE INDEX refused_fact_page ON refused_fact (org_id, recorded_at);

CREATE TABLE awaited_fact (
    org_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    fact_id uuid NOT NULL,
    person_id text COLLATE "C",
    site_id text COLLATE "C",
    device_id text COLLATE "C",
    made_by text COLLATE "C",
    occurred_at timestamptz NOT NULL,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, kind, fact_id)
);
COMMENT ON TABLE awaited_fact IS 'Accepted captures and enrolments that recognition has not decided. A row goes with the decision.';

CREATE TABLE dead_letter (
    org_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    fact_id uuid NOT NULL,
    reason text NOT NULL,
    person_id text COLLATE "C",
    site_id text COLLATE "C",
    device_id text COLLATE "C",
    made_by text COLLATE "C",
    accepted_at timestamptz NOT NULL,
    dead_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, kind, fact_id)
);
COMMENT ON TABLE dead_letter IS
    'Facts that no service can handle, as the topics of dead letters have them, and as long; whoever replays one decides it.';
COMMENT ON COLUMN dead_letter.reason IS 'A word for machines, such as undecodable-image.';
COMMENT ON COLUMN dead_letter.dead_at IS 'When it was set aside.';
CREATE INDEX dead_letter_age ON dead_letter (dead_at);

CREATE TABLE erasure (
    org_id text COLLATE "C" NOT NULL,
    erasure_id uuid NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    requested_at timestamptz NOT NULL,
    made_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, erasure_id)
);
COMMENT ON TABLE erasure IS 'Erasures of biometrics that were asked for; erased_person says whether they are done.';

CREATE TABLE erased_person (
    org_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    erased_until timestamptz NOT NULL,
    completed_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, person_id)
);
COMMENT ON TABLE erased_person IS
    'People whose templates and keys are erased: of what was requested until erased_until. completed_at: when it was done.';

-- 3. What it comes to: days.

CREATE TABLE attendance_day (
    org_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    attendance_on date NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
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
    shift_effective_on date NOT NULL,
    break_minutes integer NOT NULL DEFAULT 0,
    overtime_minutes integer NOT NULL DEFAULT 0,
    status_without_punch text GENERATED ALWAYS AS (
        CASE WHEN status IN ('ABSENT', 'LEAVE', 'HOLIDAY', 'WEEKLY_OFF') THEN status END
    ) STORED,
    PRIMARY KEY (org_id, person_id, attendance_on, shift_id)
) PARTITION BY RANGE (attendance_on);
COMMENT ON TABLE attendance_day IS
    'One row for each person, shift and local date on which the shift starts. No index has a column that a punch changes.';
COMMENT ON COLUMN attendance_day.shift_id IS 'Empty: a flexible day.';
COMMENT ON COLUMN attendance_day.site_id IS 'Home site of the person when the day was computed.';
COMMENT ON COLUMN attendance_day.late_minutes IS 'Whole minutes from the start of the shift; 0 when not late.';
COMMENT ON COLUMN attendance_day.early_minutes IS 'Whole minutes to the end of the shift; 0 when not early.';
COMMENT ON COLUMN attendance_day.missing IS 'in, out or null: what was forgotten.';
COMMENT ON COLUMN attendance_day.open_since IS 'The in that nothing has closed yet: the person may be there.';
COMMENT ON COLUMN attendance_day.punch_count IS 'Punches used; repeats and ignored ones are in the explanation.';
COMMENT ON COLUMN attendance_day.break_minutes IS 'Unpaid break that was deducted from worked_minutes.';
COMMENT ON COLUMN attendance_day.overtime_minutes IS
    'Part of worked_minutes beyond the shift; the explanation says when it needs approval.';
COMMENT ON COLUMN attendance_day.status_without_punch IS
    'The status where no punch gives it, else null: an index of status itself would be written anew with nearly every punch.';
-- Pages of days come in these orders, of the organisation or of a site.
CREATE INDEX attendance_day_page ON attendance_day (org_id, attendance_on, person_id, shift_id);
CREATE INDEX attendance_day_site_page ON attendance_day (org_id, site_id, attendance_on, person_id, shift_id);
CREATE INDEX attendance_day_without_punch
    ON attendance_day (org_id, status_without_punch, attendance_on, person_id, shift_id)
    WHERE status_without_punch IS NOT NULL;

CREATE TABLE day_explanation (
    org_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    attendance_on date NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    explanation jsonb NOT NULL,
    PRIMARY KEY (org_id, person_id, attendance_on, shift_id)
) PARTITION BY RANGE (attendance_on);
COMMENT ON TABLE day_explanation IS
    'Why each day of attendance_day is what it is: nine tenths of its bytes, which lists of days never read.';
COMMENT ON COLUMN day_explanation.explanation IS 'List of {rule, punch, text}.';

CREATE TABLE open_day (
    org_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    attendance_on date NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    open_since timestamptz NOT NULL,
    PRIMARY KEY (org_id, person_id, attendance_on, shift_id)
-- It fills and empties all day, as unsettled_day does.
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE open_day IS 'The days of attendance_day with an open_since: who may be there now, or forgot to leave.';
CREATE INDEX open_day_since ON open_day (org_id, open_since);

CREATE TABLE unsettled_day (
    org_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    attendance_on date NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    closes_at timestamptz NOT NULL,
    absence text NOT NULL,
    PRIMARY KEY (org_id, person_id, attendance_on, shift_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE unsettled_day IS 'Days without a punch that time, or what devices report, can still decide otherwise.';
COMMENT ON COLUMN unsettled_day.closes_at IS 'The last instant at which a punch could still belong to the day.';
COMMENT ON COLUMN unsettled_day.absence IS 'OPEN or WAITING (PENDING), REPORTED (ABSENT); once it is settled the row is gone.';

-- 4. Periods that payroll closed, the days as they stood then, and the adjustments of what was learned later.

CREATE TABLE period_lock (
    org_id text COLLATE "C" NOT NULL,
    lock_id uuid NOT NULL,
    site_id text COLLATE "C",
    starts_on date,
    ends_on date,
    made_by text,
    reason text,
    recorded_at timestamptz,
    sealing_id uuid,
    person_count integer,
    reopening_id uuid,
    reopened_by text,
    reopened_because text,
    reopened_at timestamptz,
    in_force boolean NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, lock_id)
);
COMMENT ON TABLE period_lock IS
    'Locks of periods: what PeriodLocked, PeriodSealed and PeriodReopened say, each null until it has come.';
COMMENT ON COLUMN period_lock.site_id IS 'Null: the whole organisation.';
COMMENT ON COLUMN period_lock.sealing_id IS 'Which of the recorded days count: those of the first seal.';
COMMENT ON COLUMN period_lock.in_force IS
    'Locked, sealed, the days of person_count people are here, and not reopened.';
CREATE INDEX period_lock_everyone ON period_lock (org_id, starts_on) WHERE in_force AND site_id IS NULL;

CREATE TABLE locked_person (
    org_id text COLLATE "C" NOT NULL,
    lock_id uuid NOT NULL,
    sealing_id uuid NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, lock_id, sealing_id, person_id)
);
COMMENT ON TABLE locked_person IS 'Whose days were recorded when a period was locked, also without any day.';
CREATE INDEX locked_person_person ON locked_person (org_id, person_id, lock_id);

CREATE TABLE locked_day (
    org_id text COLLATE "C" NOT NULL,
    lock_id uuid NOT NULL,
    sealing_id uuid NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    attendance_on date NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
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
    break_minutes integer NOT NULL,
    overtime_minutes integer NOT NULL,
    PRIMARY KEY (org_id, lock_id, sealing_id, person_id, attendance_on, shift_id)
);
COMMENT ON TABLE locked_day IS 'Days as they stood when their period was locked: columns of attendance_day.';

CREATE TABLE locked_adjustment (
    org_id text COLLATE "C" NOT NULL,
    lock_id uuid NOT NULL,
    sealing_id uuid NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    attendance_on date NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    booked_on date NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    status_from text,
    status_to text,
    worked_minutes integer NOT NULL,
    overtime_minutes integer NOT NULL,
    late_minutes integer NOT NULL,
    early_minutes integer NOT NULL,
    break_minutes integer NOT NULL,
    explanation jsonb NOT NULL,
    PRIMARY KEY (org_id, lock_id, sealing_id, person_id, attendance_on, shift_id)
);
COMMENT ON TABLE locked_adjustment IS 'Adjustments that were booked in a period when it was locked: paid with it.';
CREATE INDEX locked_adjustment_person ON locked_adjustment (org_id, person_id, attendance_on);

CREATE TABLE adjustment (
    org_id text COLLATE "C" NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    attendance_on date NOT NULL,
    shift_id text COLLATE "C" NOT NULL,
    booked_on date NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    status_from text,
    status_to text,
    worked_minutes integer NOT NULL,
    overtime_minutes integer NOT NULL,
    late_minutes integer NOT NULL,
    early_minutes integer NOT NULL,
    break_minutes integer NOT NULL,
    explanation jsonb NOT NULL,
    settled_by uuid,
    closes_at timestamptz,
    absence text,
    PRIMARY KEY (org_id, person_id, attendance_on, shift_id, booked_on)
);
COMMENT ON TABLE adjustment IS
    'What the days of locked periods differ by from what was paid. Stored day and adjustments are what the rules say.';
COMMENT ON COLUMN adjustment.booked_on IS 'First date that no lock covers: in its period the difference is paid.';
COMMENT ON COLUMN adjustment.status_from IS 'What was paid until then; null: no day.';
COMMENT ON COLUMN adjustment.status_to IS 'What the rules say; null: no day.';
COMMENT ON COLUMN adjustment.worked_minutes IS 'A difference, as the other minutes are.';
COMMENT ON COLUMN adjustment.settled_by IS 'The lock with which it was paid; null: still to be paid.';
COMMENT ON COLUMN adjustment.absence IS 'As in unsettled_day, of the day by the rules; SETTLED: nothing decides it any more.';
CREATE INDEX adjustment_page ON adjustment (org_id, booked_on, person_id, attendance_on, shift_id);
CREATE INDEX adjustment_unsettled ON adjustment (closes_at) WHERE absence <> 'SETTLED';

-- 5. How far time has come, and how far every site has reported.

CREATE TABLE clock (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    as_of timestamptz NOT NULL
);
COMMENT ON TABLE clock IS 'The newest instant that has come, as recorded on attendance.clock.';

CREATE TABLE device_point (
    org_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    occurred_at timestamptz NOT NULL
-- Every tick empties it: its dead rows must not pile up in front of the next ones.
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE device_point IS 'Sequence numbers that came since the last tick, which folds them into device_report.';

CREATE TABLE device_report (
    org_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    newest_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, device_id, first_sequence)
);
COMMENT ON TABLE device_report IS 'Which sequence numbers of a device have come, as ranges without a gap.';
COMMENT ON COLUMN device_report.newest_at IS 'The newest occurred_at within the range.';

CREATE TABLE site_watermark (
    org_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    reported_until timestamptz NOT NULL,
    PRIMARY KEY (org_id, site_id)
);
COMMENT ON TABLE site_watermark IS 'Until when every device of a site has reported without a gap, at the last tick.';

-- 6. The projector's own: where it goes on, what it still has to tell, and of which tables it makes and keeps months.

CREATE TABLE consumed_position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE consumed_position IS
    'Where the projector goes on; moves in the transaction that applies the records. Full topic names.';

CREATE TABLE stale_span (
    org_id text COLLATE "C" NOT NULL,
    number bigint GENERATED BY DEFAULT AS IDENTITY,
    person_id text COLLATE "C" NOT NULL,
    first_on date,
    last_on date,
    waits_since timestamptz NOT NULL DEFAULT clock_timestamp(),
    refused text,
    PRIMARY KEY (org_id, number)
-- It fills and empties: its dead rows must not pile up in front of the next ones.
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE stale_span IS
    'The backlog: local dates of people, inclusive, that wait to be computed again since a fact about many people. Null: open.';
COMMENT ON COLUMN stale_span.refused IS 'Why the days cannot be computed; they stay as they are, and others go on.';
CREATE INDEX stale_span_number ON stale_span (number);

CREATE TABLE untold_lock (
    org_id text COLLATE "C" NOT NULL,
    lock_id uuid NOT NULL,
    ends_on date NOT NULL,
    event json NOT NULL,
    PRIMARY KEY (org_id, lock_id)
);
COMMENT ON TABLE untold_lock IS 'Locks of periods whose days are told once the backlog of their dates is worked off.';

CREATE TABLE consumed_topic (
    topic text PRIMARY KEY,
    cluster_id text NOT NULL,
    topic_id uuid NOT NULL
);
COMMENT ON TABLE consumed_topic IS
    'Which topics of which cluster the positions are of: one that was made again under its old name has another id.';

CREATE TABLE outbox (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_type text NOT NULL,
    payload json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    refused text
-- It fills and empties all day: its dead rows must not pile up in front of the next ones.
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE outbox IS 'Events to publish, in the order of id for each key; gone once every replica of Kafka has them.';
COMMENT ON COLUMN outbox.topic IS 'Name in the contract, without an installation''s prefix.';
COMMENT ON COLUMN outbox.event_type IS 'Name of the event in the contract; payload holds its fields as JSON.';
COMMENT ON COLUMN outbox.refused IS 'Why the event can never be published; it stays here, and those after it go on.';

-- Ids begin at the microseconds since 1970 and so never come again, not even in a database that is made anew.
SELECT setval('outbox_id_seq', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);

CREATE FUNCTION outbox_filled() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Heard at the commit, once for each transaction.
    PERFORM pg_notify('attendance_outbox', '');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION outbox_filled IS 'Wake the relay that publishes the outbox.';
CREATE TRIGGER outbox_filled AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_filled();

CREATE TABLE partitioned_table (
    table_name text PRIMARY KEY,
    key_column text NOT NULL,
    key_type text NOT NULL CHECK (key_type IN ('date', 'timestamptz')),
    kept_with text CHECK (kept_with IN ('captures', 'punches', 'days')),
    filled_percent integer NOT NULL,
    kept_from date
);
COMMENT ON TABLE partitioned_table IS 'The tables that are partitioned by month: a table is only to be named here.';
COMMENT ON COLUMN partitioned_table.key_type IS 'timestamptz: an instant of a fact, by UTC month. date: the local date of a day.';
COMMENT ON COLUMN partitioned_table.kept_with IS 'The setting that says how many months are kept; null: all.';
COMMENT ON COLUMN partitioned_table.filled_percent IS
    'How full a page is made: where rows are updated there is room for their next form beside them.';
COMMENT ON COLUMN partitioned_table.kept_from IS 'First month that is kept; null: every month.';
INSERT INTO partitioned_table (table_name, key_column, key_type, kept_with, filled_percent) VALUES
    ('capture', 'occurred_at', 'timestamptz', 'captures', 100),
    ('punch', 'occurred_at', 'timestamptz', 'punches', 100),
    ('attendance_day', 'attendance_on', 'date', 'days', 70),
    ('day_explanation', 'attendance_on', 'date', 'days', 70);

CREATE TABLE installation (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    earliest_on date NOT NULL
);
COMMENT ON TABLE installation IS 'What the settings of this installation say that the tables go by.';
COMMENT ON COLUMN installation.earliest_on IS 'No fact counts, no day is computed and no month is made before it.';
INSERT INTO installation (earliest_on) VALUES ('2015-01-01');

CREATE FUNCTION ensure_partitions(parent text, months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- Make the missing partitions of a table for the months that contain these dates; return how many were made. A month
-- that is not kept is never made again: with a part of its rows it would look whole. Nor is one before the first date of
-- the installation.
-- Attaching a finished table blocks neither readers nor writers of the parent. Two callers wait for each other.
-- Only the owner of a table can: whoever calls it does it as the owner of this function, who trusts no name of the caller's. A
-- rebuild and a switch rename the schema, so that the function asks where it lies; what it sets here ends with the call.
DECLARE
    own oid;
    month date;
    child text;
    made integer := 0;
    known record;
    first_month date;
    midnight text;
BEGIN
    GET DIAGNOSTICS own = PG_ROUTINE_OID;
    PERFORM set_config('search_path', format('%I, pg_temp', nspname), true)
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE pg_proc.oid = own;
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'), hashtext(current_schema()));
    -- A statement of its own, after the lock: who moves kept_from holds the lock, too.
    SELECT * INTO STRICT known FROM partitioned_table WHERE table_name = parent;
    SELECT greatest(known.kept_from, date_trunc('month', earliest_on::timestamp)::date) INTO STRICT first_month
    FROM installation;
    -- Partition bounds are UTC, whatever the zone of the session.
    midnight := CASE known.key_type WHEN 'date' THEN '' ELSE ' 00:00:00+00' END;
    FOR month IN
        SELECT DISTINCT date_trunc('month', each::timestamp)::date FROM unnest(months) AS each ORDER BY 1
    LOOP
        child := format('%s_%s', parent, to_char(month, 'YYYY_MM'));
        CONTINUE WHEN month < first_month OR to_regclass(format('%I.%I', current_schema(), child)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) WITH (fillfactor = %s)', child, parent, known.filled_percent);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, child,
            to_char(month, 'YYYY-MM-DD') || midnight,
            to_char(month + interval '1 month', 'YYYY-MM-DD') || midnight
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION ensure_partitions IS 'Make monthly partitions of a partitioned_table.';

-- 7. Who may what. The owner, who migrates, rebuilds and drops months, may everything; `attendance_writer` is what `run` needs,
-- `attendance_feed` what `feed` needs, `attendance_reader` what query-api and `explain` read. Grants stand on the tables alone:
-- a month is reached through its table, and only there do the policies hold. Who may use the schema is granted with its name
-- (store/roles.py): that of a rebuild is nobody's, and a switch passes it on.

GRANT SELECT, INSERT, UPDATE, DELETE ON organisation, site, device, person, shift, roster, holiday, leave, policy TO attendance_writer;
GRANT SELECT, INSERT, UPDATE ON
    capture, enrolment, pending_fact, period_lock, clock, consumed_position, erased_person
    TO attendance_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    punch, attendance_day, day_explanation, open_day, unsettled_day, adjustment, device_report, site_watermark, stale_span,
    dead_letter
    TO attendance_writer;
GRANT SELECT, INSERT ON review, correction, locked_person, locked_day, locked_adjustment, consumed_topic, erasure TO attendance_writer;
GRANT SELECT, INSERT, DELETE ON refused_fact, device_point, untold_lock, awaited_fact TO attendance_writer;
GRANT SELECT ON partitioned_table, installation, alembic_version TO attendance_writer;
GRANT UPDATE (earliest_on) ON installation TO attendance_writer;
GRANT USAGE, SELECT ON SEQUENCE directory_version TO attendance_writer;
REVOKE EXECUTE ON FUNCTION ensure_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partitions TO attendance_writer;

-- `run` tells what changes, too, unless `feed` does.
GRANT SELECT, DELETE, MAINTAIN ON outbox TO attendance_feed, attendance_writer;
GRANT UPDATE (refused) ON outbox TO attendance_feed, attendance_writer;
GRANT INSERT ON outbox TO attendance_writer;
GRANT SELECT, UPDATE ON SEQUENCE outbox_id_seq TO attendance_feed, attendance_writer;
GRANT USAGE ON SEQUENCE outbox_id_seq TO attendance_writer;
GRANT SELECT ON open_day, alembic_version TO attendance_feed;

GRANT SELECT ON
    organisation, site, person, capture, enrolment, attendance_day, day_explanation, open_day, period_lock, locked_person,
    adjustment, refused_fact, awaited_fact, dead_letter, erasure, erased_person, punch, pending_fact, review, correction
    TO attendance_reader;
-- Of these only `explain` reads.
GRANT SELECT ON
    device, shift, roster, holiday, leave, policy, unsettled_day, locked_day,
    locked_adjustment, clock, device_report, site_watermark, stale_span, partitioned_table, installation, alembic_version
    TO attendance_reader;

-- A reader sees the rows of the organisation that its transaction has named, and none while it has named none. The subquery is
-- asked once for each statement, not for each row.
DO $$
DECLARE
    each regclass;
BEGIN
    FOR each IN
        SELECT attrelid FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND attname = 'org_id'
        ORDER BY relname
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', each);
        EXECUTE format(
            'CREATE POLICY own_organisation ON %s FOR SELECT TO attendance_reader'
            ' USING (org_id = (SELECT current_setting(''attendance.org_id'', true)))', each
        );
        EXECUTE format(
            'CREATE POLICY every_organisation ON %s TO attendance_writer, attendance_feed USING (true) WITH CHECK (true)', each
        );
    END LOOP;
END
$$;

CREATE FUNCTION people_found(part text, whole text, sites text[], after text, at_most integer) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
-- Under a policy no index serves LIKE, which could tell what is in rows that the policy hides. So the owner looks, in the
-- organisation that the reader's transaction has named. The names are bound here, once and for all: no search path can bend
-- them, and no switch.
BEGIN ATOMIC
    SELECT person.person_id
    FROM person
    WHERE person.org_id = (SELECT current_setting('attendance.org_id', true))
        AND (people_found.sites IS NULL OR person.home_site_id = ANY (people_found.sites))
        AND (
            lower(person.display_name) LIKE lower(people_found.part)
            OR person.person_id = people_found.whole
            OR person.badge = people_found.whole
        )
        AND (people_found.after IS NULL OR person.person_id > people_found.after)
    ORDER BY person.person_id
    LIMIT people_found.at_most;
END;
COMMENT ON FUNCTION people_found IS
    'The first people after one, by id, with this part in their name (for LIKE), or with this whole id or badge.';
REVOKE EXECUTE ON FUNCTION people_found FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people_found TO attendance_reader;
