-- Countersign's tables, version 1. Run by `SqlStore::open`, or by hand in one transaction: psql --single-transaction -f FILE.
-- They come to stand in the first schema of `search_path`. Plain SQL: databases that speak PostgreSQL's protocol know all of it.

-- Which files of this folder were run.
CREATE TABLE countersign_schema (
    version integer NOT NULL PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- A record and the lists that it stands in. Times are milliseconds since 1970, by the callers' clocks.
CREATE TABLE countersign_record (
    k bytea NOT NULL PRIMARY KEY,  -- partition, kind, id
    version bigint NOT NULL,       -- the id of the batch that wrote it last
    expires bigint NOT NULL,
    list1 bytea,                   -- name and value of a list
    list2 bytea,
    list3 bytea,
    list4 bytea,
    payload bytea NOT NULL
);
CREATE INDEX countersign_record_expires ON countersign_record (expires);
CREATE INDEX countersign_record_list1 ON countersign_record (list1, k) WHERE list1 IS NOT NULL;
CREATE INDEX countersign_record_list2 ON countersign_record (list2, k) WHERE list2 IS NOT NULL;
CREATE INDEX countersign_record_list3 ON countersign_record (list3, k) WHERE list3 IS NOT NULL;
CREATE INDEX countersign_record_list4 ON countersign_record (list4, k) WHERE list4 IS NOT NULL;

CREATE TABLE countersign_counter (
    k bytea NOT NULL PRIMARY KEY,
    count bigint NOT NULL,
    resets bigint NOT NULL
);
CREATE INDEX countersign_counter_resets ON countersign_counter (resets);

INSERT INTO countersign_schema (version) VALUES (1);
