-- Captures, the punches that come from them, and enrolments.

-- name: known_captures
-- $1 organisations and $2 ids, side by side. Without a time range: this is how a second occurred_at of one capture is
-- found. OFFSET 0: see punches_of_spans.
SELECT found.*
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, capture_id)
CROSS JOIN LATERAL (
    SELECT org_id, capture_id, occurred_at, decision_round, site_id, device_id, direction, outcome, person_id,
        person_home_site_id
    FROM capture
    WHERE capture.org_id = asked.org_id AND capture.capture_id = asked.capture_id
    OFFSET 0
) AS found;

-- name: merge_captures
-- A later decision supersedes; projected_at then says when this one arrived.
INSERT INTO capture
SELECT * FROM staged_capture
ON CONFLICT (org_id, capture_id, occurred_at) DO UPDATE SET
    device_id = excluded.device_id,
    site_id = excluded.site_id,
    device_sequence = excluded.device_sequence,
    direction = excluded.direction,
    time_trust = excluded.time_trust,
    outcome = excluded.outcome,
    person_id = excluded.person_id,
    person_home_site_id = excluded.person_home_site_id,
    score = excluded.score,
    runner_up_person_id = excluded.runner_up_person_id,
    runner_up_score = excluded.runner_up_score,
    threshold = excluded.threshold,
    margin = excluded.margin,
    model_name = excluded.model_name,
    model_version = excluded.model_version,
    decision_round = excluded.decision_round,
    reason = excluded.reason,
    image_bucket = excluded.image_bucket,
    image_key = excluded.image_key,
    image_sha256 = excluded.image_sha256,
    received_at = excluded.received_at,
    decided_at = excluded.decided_at,
    projected_at = excluded.projected_at
WHERE capture.decision_round < excluded.decision_round;

-- name: remove_punches
-- $1 organisations, $2 ids and $3 instants, side by side; $4 and $5 their range, so that partitions are pruned.
DELETE FROM punch
USING unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS gone (org_id, punch_id, occurred_at)
WHERE punch.org_id = gone.org_id
    AND punch.punch_id = gone.punch_id
    AND punch.occurred_at = gone.occurred_at
    AND punch.occurred_at BETWEEN $4 AND $5
RETURNING punch.org_id, punch.person_id, punch.placed_on;

-- name: record_enrolment
-- An erasure is for good, so the verdict that it makes supersedes any other on the same request. Else a later
-- round does, whenever it comes, and of one round the first in the log stands.
INSERT INTO enrolment (
    org_id, enrolment_id, person_id, outcome, template_count, photos, requested_at, decided_at,
    model_name, model_version, decision_round, erased
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (org_id, enrolment_id) DO UPDATE SET
    person_id = excluded.person_id,
    outcome = excluded.outcome,
    template_count = excluded.template_count,
    photos = excluded.photos,
    requested_at = excluded.requested_at,
    decided_at = excluded.decided_at,
    model_name = excluded.model_name,
    model_version = excluded.model_version,
    decision_round = excluded.decision_round,
    erased = excluded.erased
WHERE (enrolment.erased, enrolment.decision_round) < (excluded.erased, excluded.decision_round);
