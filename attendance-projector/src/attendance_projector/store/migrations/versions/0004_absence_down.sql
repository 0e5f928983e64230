DELETE FROM attendance_day WHERE absence IS NOT NULL;
ALTER TABLE attendance_day DROP COLUMN closes_at, DROP COLUMN absence;
DROP TABLE site_watermark, device_report, device_point, clock;
