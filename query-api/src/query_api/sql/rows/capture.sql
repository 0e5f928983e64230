-- What is shown of a decided capture, with the names of its person and site.
SELECT
    capture.capture_id,
    capture.occurred_at,
    capture.site_id,
    site.name AS site_name,
    capture.device_id,
    capture.device_sequence,
    capture.direction,
    capture.time_trust,
    capture.outcome,
    capture.person_id,
    person.display_name,
    capture.reason,
    capture.image_sha256,
    capture.received_at,
    capture.decided_at,
    capture.score,
    capture.runner_up_person_id,
    capture.runner_up_score,
    capture.threshold,
    capture.margin,
    capture.model_name,
    capture.model_version,
    capture.decision_round
FROM attendance.capture AS capture
LEFT JOIN attendance.person AS person ON person.org_id = capture.org_id AND person.person_id = capture.person_id
LEFT JOIN attendance.site AS site ON site.org_id = capture.org_id AND site.site_id = capture.site_id
