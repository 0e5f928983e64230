-- The device that asks.
SELECT
    device.device_id,
    device.revoked
FROM attendance.device AS device
WHERE device.org_id = %(org_id)s::text
    AND device.device_id = %(device_id)s::text
