-- A run that was deleted is not there any more; what it had stored goes an hour later, when nobody reads it.
ALTER TABLE runs ADD COLUMN deleted_at timestamptz;
CREATE INDEX runs_to_delete ON runs (deleted_at) WHERE deleted_at IS NOT NULL;
