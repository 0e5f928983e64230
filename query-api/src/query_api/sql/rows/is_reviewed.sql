-- Whether a capture has a review that counts, as asked for.
          AND (
              %(reviewed)s::boolean IS NULL
              OR %(reviewed)s::boolean = EXISTS (
                  SELECT
                  FROM attendance.review AS decided
                  WHERE decided.org_id = capture.org_id
                    AND decided.capture_id = capture.capture_id
                    AND NOT EXISTS (
                        SELECT
                        FROM attendance.refused_fact AS refused
                        WHERE refused.org_id = decided.org_id
                          AND refused.kind = 'ReviewDecided'
                          AND refused.fact_id = decided.review_id::text
                          AND refused.reason = 'out-of-scope'
                    )
              )
          )
