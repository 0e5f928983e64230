-- Punches without a face, and what people corrected.

ALTER TABLE punch ALTER COLUMN device_id DROP NOT NULL, ALTER COLUMN site_id DROP NOT NULL;
ALTER TABLE punch DROP CONSTRAINT punch_has_one_place;
ALTER TABLE punch ADD CONSTRAINT punch_has_one_place CHECK (
    CASE placement
        WHEN 'DAY' THEN placed_on IS NOT NULL AND placed_shift_id IS NOT NULL
        WHEN 'VOIDED' THEN placed_on IS NOT NULL AND placed_shift_id IS NULL
        WHEN 'REVIEW' THEN placed_on IS NULL AND placed_shift_id IS NULL
        WHEN 'WAITING' THEN placed_on IS NULL AND placed_shift_id IS NULL
        ELSE false
    END
);
COMMENT ON COLUMN punch.punch_id IS 'For a face: the capture_id.';
COMMENT ON COLUMN punch.method IS 'face, badge, pin, qr, supervisor or correction.';
COMMENT ON COLUMN punch.device_id IS 'Null: a supervisor, or a correction.';
COMMENT ON COLUMN punch.placement IS
    'DAY: on the day (person_id, placed_on, placed_shift_id). REVIEW: in the window of no shift, counts nothing.
VOIDED: a correction took it off the date placed_on. WAITING: the person or the home site is not recorded yet.';

CREATE TABLE pending_fact (
    fact_id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    org_id text NOT NULL,
    badge text NOT NULL,
    person_id text,
    site_id text NOT NULL,
    device_id text,
    direction text,
    method text NOT NULL
);
COMMENT ON TABLE pending_fact IS
    'Punches with a badge that nobody had when it was shown; they are of whoever the directory says has it.';
COMMENT ON COLUMN pending_fact.person_id IS 'Who has the badge now; null: nobody yet.';
CREATE INDEX pending_fact_badge ON pending_fact (org_id, badge);
CREATE INDEX person_badge ON person (org_id, badge) WHERE badge IS NOT NULL;

CREATE TABLE correction (
    correction_id uuid PRIMARY KEY,
    org_id text NOT NULL,
    person_id text NOT NULL,
    kind text NOT NULL,
    punch_id uuid,
    occurred_at timestamptz,
    site_id text,
    direction text,
    voided_correction_id uuid,
    attendance_on date,
    shift_id text,
    status text,
    worked_minutes integer,
    overtime_minutes integer,
    first_in_at timestamptz,
    last_out_at timestamptz,
    made_by text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE correction IS 'What people corrected: who, when and why. Voided ones stay, as their voids do.';
COMMENT ON COLUMN correction.kind IS 'ADD, VOID or OVERRIDE.';
CREATE INDEX correction_person ON correction (person_id);

CREATE TABLE review (
    review_id uuid PRIMARY KEY,
    capture_id uuid NOT NULL,
    org_id text NOT NULL,
    person_id text,
    made_by text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE review IS 'Whom people saw on a capture; the newest stands above all decisions of recognition.';
COMMENT ON COLUMN review.person_id IS 'Null: nobody who counts.';
CREATE INDEX review_capture ON review (capture_id);
