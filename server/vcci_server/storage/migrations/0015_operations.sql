-- Long-running operations that are not recalculations. Their ids are of the sequence of the runs, so that `operations/N`
-- is one of either.
CREATE TABLE operations (
    tenant_id    integer NOT NULL REFERENCES tenants,
    operation_id bigint NOT NULL DEFAULT nextval('runs_run_id_seq'),
    request_id   text NOT NULL,
    subject      text NOT NULL,            -- who asked for it
    task         bytea NOT NULL,           -- OperationTask of the contract
    state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'cancelled', 'failed')),
    step         text NOT NULL DEFAULT '',
    done         bigint NOT NULL DEFAULT 0,
    total        bigint NOT NULL DEFAULT 0,
    error        bytea,                    -- google.rpc.Status of one that failed
    response     bytea,                    -- google.protobuf.Any of one that succeeded
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    ended_at     timestamptz,
    PRIMARY KEY (tenant_id, operation_id),
    UNIQUE (tenant_id, request_id)
);

CREATE INDEX operations_to_do ON operations (tenant_id, operation_id) WHERE state = 'running';
