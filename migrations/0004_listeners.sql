-- What the command line said of the listeners http and https when it was last taken over, as JSON; NULL: they were never made.
-- Where it says other than that, it is taken over; where it says the same, what is stored counts.
ALTER TABLE installation ADD COLUMN listener_flags TEXT CHECK (listener_flags IS NULL OR json_valid(listener_flags));
