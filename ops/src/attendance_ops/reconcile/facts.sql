-- After the log and the listings are read: one row for each fact, and what was accepted and is on no topic.

CREATE INDEX accepted_id ON accepted (org, id);
CREATE INDEX image_id ON image (org, id);
CREATE INDEX event_id ON event (org, id);
CREATE INDEX event_sequence ON event (org, device, sequence, at);
CREATE INDEX decision_id ON decision (org, id);

CREATE TABLE fact AS
SELECT org, id, min(kind) AS kind, max(at) AS last_at, max(occurred_at) AS occurred_at, max(image_key) AS image_key,
    min(device) AS device, min(sequence) AS sequence, max(attempts) AS attempts, count(DISTINCT digest) AS contents,
    min(is_projected) AS is_projected, min(is_recognised) AS is_recognised,
    max(at >= :since AND at < :until) AS is_judged, 0 AS is_on_its_way
FROM event
GROUP BY org, id;
CREATE INDEX fact_id ON fact (org, id);
CREATE INDEX fact_kind ON fact (kind, org, occurred_at);

UPDATE fact SET is_judged = 1
WHERE NOT is_judged AND EXISTS (
    SELECT 1 FROM accepted
    WHERE accepted.org = fact.org AND accepted.id = fact.id AND accepted.at >= :since AND accepted.at < :until
);
-- A fact that was published again a moment ago may not be through.
UPDATE fact SET is_on_its_way = 1, is_judged = 0 WHERE is_judged AND last_at >= :ripe;

CREATE TABLE without_event AS
SELECT org, id, at FROM accepted
WHERE at >= :since AND at < :until AND at < :ripe
    AND NOT EXISTS (SELECT 1 FROM fact WHERE fact.org = accepted.org AND fact.id = accepted.id);
