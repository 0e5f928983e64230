-- Days without a punch: how far time has come, and how far every site has reported.

CREATE TABLE clock (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    as_of timestamptz NOT NULL
);
COMMENT ON TABLE clock IS 'The newest instant that has come, as recorded on attendance.clock.';

CREATE TABLE device_point (
    device_id text NOT NULL,
    sequence bigint NOT NULL,
    occurred_at timestamptz NOT NULL
);
COMMENT ON TABLE device_point IS 'Sequence numbers that came since the last tick, which folds them into device_report.';

CREATE TABLE device_report (
    device_id text NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    newest_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, first_sequence)
);
COMMENT ON TABLE device_report IS 'Which sequence numbers of a device have come, as ranges without a gap.';
COMMENT ON COLUMN device_report.newest_at IS 'The newest occurred_at within the range.';

CREATE TABLE site_watermark (
    site_id text PRIMARY KEY,
    reported_until timestamptz NOT NULL
);
COMMENT ON TABLE site_watermark IS 'Until when every device of a site has reported without a gap, at the last tick.';

ALTER TABLE attendance_day ADD COLUMN closes_at timestamptz, ADD COLUMN absence text;
COMMENT ON COLUMN attendance_day.closes_at IS 'Of a day without a punch: the last instant at which one could still belong to it.';
COMMENT ON COLUMN attendance_day.absence IS
    'Of a day without a punch: OPEN or WAITING (PENDING), REPORTED or SETTLED (ABSENT); the explanation says more.';
CREATE INDEX attendance_day_unsettled ON attendance_day (closes_at) WHERE absence <> 'SETTLED';
