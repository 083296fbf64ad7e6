-- Versions before this one cannot be shown or brought back any more: what they alone held has been deleted.
ALTER TABLE installation ADD COLUMN oldest_version INTEGER NOT NULL DEFAULT 1;
