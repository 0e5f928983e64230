ALTER TABLE attendance_day DROP COLUMN break_minutes, DROP COLUMN overtime_minutes;
ALTER TABLE roster DROP COLUMN rotation_length, DROP COLUMN rotation_days;
DROP TABLE holiday, leave, policy;
