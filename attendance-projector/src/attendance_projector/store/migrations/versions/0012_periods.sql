-- Periods that payroll closed, the days as they stood then, and the adjustments of what was learned later.

CREATE TABLE period_lock (
    lock_id uuid PRIMARY KEY,
    org_id text,
    site_id text,
    starts_on date,
    ends_on date,
    made_by text,
    reason text,
    recorded_at timestamptz,
    sealing_id uuid,
    person_count integer,
    reopened_by text,
    reopened_because text,
    reopened_at timestamptz,
    in_force boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE period_lock IS
    'Locks of periods: what PeriodLocked, PeriodSealed and PeriodReopened say, each null until it has come.';
COMMENT ON COLUMN period_lock.site_id IS 'Null: the whole organisation.';
COMMENT ON COLUMN period_lock.sealing_id IS 'Which of the recorded days count: those of the first seal.';
COMMENT ON COLUMN period_lock.in_force IS
    'Locked, sealed, the days of person_count people are here, and not reopened.';

CREATE TABLE locked_person (
    lock_id uuid NOT NULL,
    sealing_id uuid NOT NULL,
    person_id text NOT NULL,
    PRIMARY KEY (lock_id, sealing_id, person_id)
);
COMMENT ON TABLE locked_person IS 'Whose days were recorded when a period was locked, also without any day.';

CREATE TABLE locked_day (
    lock_id uuid NOT NULL,
    sealing_id uuid NOT NULL,
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
    break_minutes integer NOT NULL,
    overtime_minutes integer NOT NULL,
    PRIMARY KEY (lock_id, sealing_id, person_id, attendance_on, shift_id)
);
COMMENT ON TABLE locked_day IS 'Days as they stood when their period was locked: columns of attendance_day.';

CREATE TABLE locked_adjustment (
    lock_id uuid NOT NULL,
    sealing_id uuid NOT NULL,
    person_id text NOT NULL,
    attendance_on date NOT NULL,
    shift_id text NOT NULL,
    booked_on date NOT NULL,
    org_id text NOT NULL,
    site_id text NOT NULL,
    status_from text,
    status_to text,
    worked_minutes integer NOT NULL,
    overtime_minutes integer NOT NULL,
    late_minutes integer NOT NULL,
    early_minutes integer NOT NULL,
    break_minutes integer NOT NULL,
    explanation jsonb NOT NULL,
    PRIMARY KEY (lock_id, sealing_id, person_id, attendance_on, shift_id)
);
COMMENT ON TABLE locked_adjustment IS 'Adjustments that were booked in a period when it was locked: paid with it.';
CREATE INDEX locked_adjustment_person ON locked_adjustment (person_id, attendance_on);

CREATE TABLE adjustment (
    person_id text NOT NULL,
    attendance_on date NOT NULL,
    shift_id text NOT NULL,
    booked_on date NOT NULL,
    org_id text NOT NULL,
    site_id text NOT NULL,
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
    PRIMARY KEY (person_id, attendance_on, shift_id, booked_on)
);
COMMENT ON TABLE adjustment IS
    'What the days of locked periods differ by from what was paid. Stored day and adjustments are what the rules say.';
COMMENT ON COLUMN adjustment.booked_on IS 'First date that no lock covers: in its period the difference is paid.';
COMMENT ON COLUMN adjustment.status_from IS 'What was paid until then; null: no day.';
COMMENT ON COLUMN adjustment.status_to IS 'What the rules say; null: no day.';
COMMENT ON COLUMN adjustment.worked_minutes IS 'A difference, as the other minutes are.';
COMMENT ON COLUMN adjustment.settled_by IS 'The lock with which it was paid; null: still to be paid.';
COMMENT ON COLUMN adjustment.absence IS 'As in attendance_day, of the day by the rules.';
CREATE INDEX adjustment_page ON adjustment (org_id, booked_on, person_id, attendance_on, shift_id);
CREATE INDEX adjustment_unsettled ON adjustment (closes_at) WHERE absence <> 'SETTLED';
