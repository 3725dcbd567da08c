-- Countersign's functions, version 2. Run by `SqlStore::open`, or by hand in one transaction: psql --single-transaction -f FILE.
-- Each is one round trip for what would be several. They run with their caller's rights.

-- Applies a batch: 0 when it was applied, now or before; else the place, from 1, of the first operation whose expectation
-- fails. Keys come sorted, so that racing batches lock in one order; `places` says where each stood.
--
-- expects: 0 any, 1 absent, 2 present, 3 at the version. changes: 0 check, 1 put, 2 delete. guards: 0 none; 1 this batch may
-- create a record; 2 it relies on the absence of one that it does not create. No row can be locked that is not there, so 1 and 2
-- exclude each other by an advisory lock on the partition.
CREATE FUNCTION countersign_commit(
    batch bigint, at bigint, partition_lock bigint, guards bigint,
    keys bytea[], places bigint[], expects bigint[], versions bigint[], changes bigint[],
    expiries bigint[], lists1 bytea[], lists2 bytea[], lists3 bytea[], lists4 bytea[], payloads bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    held_version bigint;
    held_expires bigint;
    holds boolean;
    failed bigint := 0;
BEGIN
    IF guards = 2 THEN
        PERFORM pg_advisory_xact_lock(partition_lock);
    ELSIF guards = 1 THEN
        PERFORM pg_advisory_xact_lock_shared(partition_lock);
    END IF;
    -- All is locked and judged before anything is written.
    FOR i IN 1 .. cardinality(keys) LOOP
        IF changes[i] = 0 THEN
            SELECT r.version, r.expires INTO held_version, held_expires
                FROM countersign_record r WHERE r.k = keys[i] FOR SHARE;
        ELSE
            SELECT r.version, r.expires INTO held_version, held_expires
                FROM countersign_record r WHERE r.k = keys[i] FOR UPDATE;
            IF changes[i] = 1 AND held_version = batch THEN
                RETURN 0; -- it was written before, all of it
            END IF;
        END IF;
        holds := CASE expects[i]
            WHEN 0 THEN true
            WHEN 1 THEN coalesce(held_expires <= at, true)
            WHEN 2 THEN coalesce(held_expires > at, false)
            ELSE coalesce(held_expires > at AND held_version = versions[i], false)
        END;
        IF NOT holds AND (failed = 0 OR places[i] < failed) THEN
            failed := places[i];
        END IF;
    END LOOP;
    IF failed > 0 THEN
        RETURN failed;
    END IF;
    FOR i IN 1 .. cardinality(keys) LOOP
        IF changes[i] = 2 THEN
            DELETE FROM countersign_record r WHERE r.k = keys[i];
        ELSIF changes[i] = 1 AND expects[i] >= 2 THEN
            UPDATE countersign_record r SET version = batch, expires = expiries[i], payload = payloads[i] WHERE r.k = keys[i];
        ELSIF changes[i] = 1 THEN
            INSERT INTO countersign_record AS r (k, version, expires, list1, list2, list3, list4, payload)
                VALUES (keys[i], batch, expiries[i], lists1[i], lists2[i], lists3[i], lists4[i], payloads[i])
                ON CONFLICT (k) DO UPDATE SET version = excluded.version, expires = excluded.expires, payload = excluded.payload,
                    -- Lists are fixed while the record lives.
                    list1 = CASE WHEN r.expires > at THEN r.list1 ELSE excluded.list1 END,
                    list2 = CASE WHEN r.expires > at THEN r.list2 ELSE excluded.list2 END,
                    list3 = CASE WHEN r.expires > at THEN r.list3 ELSE excluded.list3 END,
                    list4 = CASE WHEN r.expires > at THEN r.list4 ELSE excluded.list4 END
                WHERE expects[i] = 0 OR r.expires <= at;
            IF NOT FOUND THEN
                -- Made by another between judging and writing: nothing of this is kept, and the caller judges anew.
                RAISE EXCEPTION 'a record came to be meanwhile' USING ERRCODE = 'serialization_failure';
            END IF;
        END IF;
    END LOOP;
    RETURN 0;
END
$$;

-- Adds to counters, each by itself, in the order given; keys come sorted, so that racing calls lock in one order.
CREATE FUNCTION countersign_charge(at bigint, keys bytea[], adds bigint[], limits bigint[], ends bigint[])
RETURNS TABLE (admitted boolean, shown bigint, until bigint) LANGUAGE plpgsql AS $$
DECLARE
    there boolean;
    counted bigint;
BEGIN
    FOR i IN 1 .. cardinality(keys) LOOP
        SELECT c.count, c.resets INTO counted, until FROM countersign_counter c WHERE c.k = keys[i] FOR UPDATE;
        there := FOUND;
        IF NOT there OR until <= at THEN
            counted := 0;
            until := ends[i];
        END IF;
        admitted := adds[i] < 0 OR counted + adds[i] <= limits[i];
        shown := CASE WHEN admitted THEN greatest(counted + adds[i], 0) ELSE counted END;
        IF shown <> counted AND there THEN
            UPDATE countersign_counter c SET count = shown, resets = until WHERE c.k = keys[i];
        ELSIF shown <> counted THEN
            INSERT INTO countersign_counter (k, count, resets) VALUES (keys[i], shown, until) ON CONFLICT (k) DO NOTHING;
            IF NOT FOUND THEN
                -- Made by another between looking and writing: nothing of this is kept, and the caller counts anew.
                RAISE EXCEPTION 'a counter came to be meanwhile' USING ERRCODE = 'serialization_failure';
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

INSERT INTO countersign_schema (version) VALUES (2);
