-- The temporary table of a connection for later decisions on captures: copied in, then merged as a set. Empty
-- after every transaction. Days and places travel as arrays instead: emptying a table costs more than they do.

-- name: create_staging
CREATE TEMPORARY TABLE IF NOT EXISTS staged_capture (LIKE capture INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;
