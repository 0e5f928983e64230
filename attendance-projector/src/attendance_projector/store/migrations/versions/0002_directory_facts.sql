-- Holidays, leave and policies; rotations of rosters; what a day reports beyond the time worked.

CREATE TABLE holiday (
    holiday_id text PRIMARY KEY,
    org_id text NOT NULL,
    site_id text,
    name text NOT NULL,
    holiday_on date NOT NULL
);
COMMENT ON TABLE holiday IS 'Local dates on which nobody is expected.';
COMMENT ON COLUMN holiday.site_id IS 'Home site of the people it is for; null: everybody in the organisation.';
CREATE INDEX holiday_org ON holiday (org_id, holiday_on);

CREATE TABLE leave (
    leave_id text PRIMARY KEY,
    org_id text NOT NULL,
    person_id text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    part text NOT NULL,
    name text
);
COMMENT ON TABLE leave IS 'Leave of people between two local dates, inclusive; part is FULL or HALF of each.';
CREATE INDEX leave_person ON leave (person_id, starts_on);

CREATE TABLE policy (
    policy_id text NOT NULL,
    effective_on date NOT NULL,
    org_id text NOT NULL,
    site_id text,
    name text NOT NULL,
    weekly_offs text[] NOT NULL,
    flexible_day_start time,
    expects_attendance boolean NOT NULL,
    PRIMARY KEY (policy_id, effective_on)
);
COMMENT ON TABLE policy IS 'Versions of policies, each in force from effective_on until the next.';
COMMENT ON COLUMN policy.site_id IS 'For people with this home site; null: for sites that have no version of their own yet.';
COMMENT ON COLUMN policy.expects_attendance IS 'A shift without a punch makes a day: PENDING, then ABSENT.';
CREATE INDEX policy_org ON policy (org_id);

ALTER TABLE roster ADD COLUMN rotation_length integer, ADD COLUMN rotation_days integer[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN roster.rotation_length IS 'Days of the cycle whose rotation_days have the shift, from starts_on on; null: by weekdays.';

ALTER TABLE attendance_day
    ADD COLUMN break_minutes integer NOT NULL DEFAULT 0,
    ADD COLUMN overtime_minutes integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN attendance_day.break_minutes IS 'Unpaid break that was deducted from worked_minutes.';
COMMENT ON COLUMN attendance_day.overtime_minutes IS 'Part of worked_minutes beyond the shift; the explanation says when it needs approval.';
