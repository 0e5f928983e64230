-- Whether a capture has a review that counts, as asked for.
          AND (
              %(reviewed)s::boolean IS NULL
              OR %(reviewed)s::boolean = EXISTS (
                  SELECT
                  FROM attendance.review AS decided
                  WHERE decided.org_id = capture.org_id
                    AND decided.capture_id = capture.capture_id
-- rows: review_counts
              )
          )
