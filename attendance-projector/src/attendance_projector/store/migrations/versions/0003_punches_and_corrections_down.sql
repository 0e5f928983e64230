-- Facts are in Kafka; without them in the tables, the punches that they made go, too.

DROP TABLE review, correction, pending_fact;
DROP INDEX person_badge;
DELETE FROM punch WHERE placement = 'VOIDED' OR device_id IS NULL OR site_id IS NULL;
ALTER TABLE punch ALTER COLUMN device_id SET NOT NULL, ALTER COLUMN site_id SET NOT NULL;
ALTER TABLE punch DROP CONSTRAINT punch_has_one_place;
ALTER TABLE punch ADD CONSTRAINT punch_has_one_place CHECK (
    CASE placement
        WHEN 'DAY' THEN placed_on IS NOT NULL AND placed_shift_id IS NOT NULL
        WHEN 'REVIEW' THEN placed_on IS NULL AND placed_shift_id IS NULL
        WHEN 'WAITING' THEN placed_on IS NULL AND placed_shift_id IS NULL
        ELSE false
    END
);
