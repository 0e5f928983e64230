-- The newest review of a capture that counts, and whom it names; a part of FROM, after capture.
LEFT JOIN LATERAL (
    SELECT decided.review_id, decided.person_id, decided.made_by, decided.reason, decided.recorded_at
    FROM attendance.review AS decided
    WHERE decided.org_id = capture.org_id
      AND decided.capture_id = capture.capture_id
-- rows: review_counts
    ORDER BY decided.recorded_at DESC, decided.review_id DESC
    LIMIT 1
) AS review ON true
LEFT JOIN attendance.person AS reviewed ON reviewed.org_id = capture.org_id AND reviewed.person_id = review.person_id
