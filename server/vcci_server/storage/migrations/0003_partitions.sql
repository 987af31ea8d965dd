-- Makes the partition of a quarter, given by its first day, if it is missing, and tells whether it was. Made apart and
-- attached: CREATE TABLE … PARTITION OF would lock out every reader and writer of emission_segments meanwhile.
CREATE FUNCTION ensure_segment_partition(first_day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    partition text := to_char(first_day, '"emission_segments_"YYYY"q"Q');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE emission_segments INCLUDING ALL)', partition);
    EXECUTE format(
        'ALTER TABLE emission_segments ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition, first_day, (first_day + interval '3 months')::date
    );
    RETURN true;
END
$$;
