-- Types of organisations: what things are called, and the policy where none is recorded.

ALTER TABLE organisation
    ADD COLUMN org_type text NOT NULL DEFAULT 'company',
    ADD COLUMN default_policy jsonb,
    ADD COLUMN default_policy_on date;
COMMENT ON COLUMN organisation.org_type IS 'Name of a type file; readers have its labels.';
COMMENT ON COLUMN organisation.default_policy IS
    'What the type said when the organisation was recorded: weekly_offs, flexible_day_start, expects_attendance; null: nothing.';
COMMENT ON COLUMN organisation.default_policy_on IS 'First local date on which default_policy holds; null: since ever.';
