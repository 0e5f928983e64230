-- The outbox: written by the transactions of the live projector, emptied by one relay.

-- name: add
-- $1 topics, $2 keys, $3 names of events, $4 their fields, side by side, in the order in which they are published.
INSERT INTO outbox (topic, key, event_type, payload)
SELECT topic, key, event_type, payload
FROM unnest($1::text[], $2::text[], $3::text[], $4::json[])
    WITH ORDINALITY AS added (topic, key, event_type, payload, number)
ORDER BY number;
