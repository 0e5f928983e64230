DROP INDEX punch_without_face;
DROP INDEX attendance_day_page;
CREATE INDEX attendance_day_org ON attendance_day (org_id, attendance_on);
DROP SEQUENCE directory_version;
