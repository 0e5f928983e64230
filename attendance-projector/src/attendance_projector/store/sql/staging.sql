-- The temporary tables of a connection, for later decisions on captures and for many days: copied in, then merged
-- as a set. Empty after every transaction. Few days, and places, travel as arrays instead: emptying a table costs
-- more than they do.

-- name: create_staging
CREATE TEMPORARY TABLE IF NOT EXISTS staged_capture (LIKE capture INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS staged_day (
    LIKE attendance_day INCLUDING DEFAULTS, explanation jsonb NOT NULL, closes_at timestamptz, absence text
) ON COMMIT DELETE ROWS;
