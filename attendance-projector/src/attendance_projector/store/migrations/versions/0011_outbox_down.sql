DROP TABLE outbox;
DROP FUNCTION outbox_filled;
