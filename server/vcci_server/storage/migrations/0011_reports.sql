-- Finished reports, with their files. They never change.
CREATE TABLE reports (
    tenant_id    integer NOT NULL REFERENCES tenants,
    report_id    bigint GENERATED ALWAYS AS IDENTITY,
    request_id   text NOT NULL,
    request      bytea NOT NULL,  -- GenerateReportRequest of the contract
    period_start date NOT NULL,
    period_end   date NOT NULL,   -- exclusive
    input_names  text[] NOT NULL,
    input_hashes text[] NOT NULL, -- SHA-256, hexadecimal; parallel to input_names
    sha256       text NOT NULL,   -- of the file
    size_bytes   bigint NOT NULL,
    file         bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, report_id),
    UNIQUE (tenant_id, request_id)
);

ALTER TABLE reports ALTER COLUMN file SET STORAGE EXTERNAL;
