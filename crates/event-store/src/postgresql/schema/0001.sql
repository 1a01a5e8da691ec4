-- Schema version 1. See ../schema.rs for who runs this, and when.

-- In the order of EventType::ALL; fieldwatch_append has the same list.
CREATE TYPE fieldwatch_event_type AS ENUM (
    'DeviceHasBeenCreated', 'DeviceTemperatureHasIncreased', 'DeviceTemperatureHasDecreased',
    'SimilarDeviceTemperatureWasTraced', 'DeviceLocationHasChanged', 'DeviceLocationHasChangedToAVeryCloseLocation',
    'DeviceHasGoneSilent', 'DeviceIsBack', 'DeviceHasBeenDescribed', 'DeviceHasBeenForgotten'
);

-- One row. It hands out positions: whoever appends updates it and holds it to the commit, so positions become visible in
-- their order. Room in the page lets every update stay there, without an index to be changed.
CREATE TABLE fieldwatch_log (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    log_id text NOT NULL,
    schema_version integer NOT NULL,
    position bigint NOT NULL DEFAULT 0,         -- the last one handed out
    newest_event bigint NOT NULL DEFAULT 0,     -- position of the newest event
    newest_before bigint NOT NULL DEFAULT 0,    -- what that was before the last append
    earliest bigint NOT NULL DEFAULT 0          -- nothing before it is kept any more
) WITH (fillfactor = 10);

-- The events. Table k holds the positions from k * 2^32 on; which one is written is decided by the position alone.
CREATE TABLE fieldwatch_events (
    position bigint NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    latitude double precision,
    longitude double precision,
    temperature real,
    type fieldwatch_event_type NOT NULL,
    shelf smallint NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    reading_id text COLLATE "C",
    record bytea NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);

-- When each table of events was begun.
CREATE TABLE fieldwatch_event_tables (
    number bigint PRIMARY KEY,
    begun_at timestamptz NOT NULL
);

-- Readings that came late: in a device's history, but no events.
CREATE TABLE fieldwatch_late_readings (
    position bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    temperature real NOT NULL,
    shelf smallint NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX fieldwatch_late_readings_device ON fieldwatch_late_readings (device_id, position);

-- What is no event and in no history, packed: what readings without an event leave behind, and states of passivated devices.
-- A row is what one append stored for one shelf of devices.
CREATE TABLE fieldwatch_observations (
    position bigint PRIMARY KEY,                -- of the first record in it
    last bigint NOT NULL,                       -- the last position of the same append
    shelf smallint NOT NULL,
    records bytea NOT NULL
);
CREATE INDEX fieldwatch_observations_shelf ON fieldwatch_observations (shelf, last);

-- How far each partition of the queue has been decided, and the fence: who takes a partition over raises its epoch.
CREATE TABLE fieldwatch_checkpoints (
    partition integer PRIMARY KEY,
    epoch bigint NOT NULL DEFAULT 0,
    owner text,
    progress bytea,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);

-- The state of a device after everything up to a position.
CREATE TABLE fieldwatch_snapshots (
    device_id text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL,
    version bigint NOT NULL,
    shelf smallint NOT NULL,
    state bytea NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX fieldwatch_snapshots_shelf ON fieldwatch_snapshots (shelf);

-- Up to which position the snapshots of a shelf's devices hold everything.
CREATE TABLE fieldwatch_shelves (
    shelf smallint PRIMARY KEY,
    as_of bigint NOT NULL
) WITH (fillfactor = 20);

-- Devices that were forgotten: nothing of them from before the position may be told.
CREATE TABLE fieldwatch_forgotten (
    device_id text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL,
    shelf smallint NOT NULL,
    erased boolean NOT NULL DEFAULT false
);

-- What each writing process stored last, so that it can find out after its connection was lost.
CREATE TABLE fieldwatch_writers (
    writer uuid PRIMARY KEY,
    node text NOT NULL,
    session bigint NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    first_position bigint NOT NULL DEFAULT 0,
    newest_before bigint NOT NULL DEFAULT 0,
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);

INSERT INTO fieldwatch_log (log_id, schema_version) VALUES (replace(gen_random_uuid()::text, '-', ''), 0);

-- A writer begins a session: whatever an earlier one of it has sent and not stored by now will never be stored.
CREATE FUNCTION fieldwatch_begin(p_writer uuid, p_node text,
    OUT session bigint, OUT sequence bigint, OUT first_position bigint, OUT newest_before bigint)
LANGUAGE sql AS $$
    INSERT INTO fieldwatch_writers AS w (writer, node, session) VALUES (p_writer, p_node, 1)
    ON CONFLICT (writer) DO UPDATE SET session = w.session + 1, seen_at = now()
    RETURNING w.session, w.sequence, w.first_position, w.newest_before
$$;

-- Takes a partition over. The position row comes first, so that no append of the former owner is on its way behind it.
CREATE FUNCTION fieldwatch_take_over(p_partition integer, p_owner text, OUT epoch bigint, OUT progress bytea)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM fieldwatch_log FOR UPDATE;
    INSERT INTO fieldwatch_checkpoints AS c (partition, epoch, owner) VALUES (p_partition, 1, p_owner)
    ON CONFLICT (partition) DO UPDATE SET epoch = c.epoch + 1, owner = excluded.owner, updated_at = now()
    RETURNING c.epoch, c.progress INTO epoch, progress;
END
$$;

-- Stores one group of batches: a whole transaction in one round trip. Offsets count from 0 within the group and become
-- positions. The position row is taken first of all, because positions are stored in the rows; everything that can be done
-- before it has been done by the client.
--
-- FW001: a partition is at another epoch (its number is the message). FW002: the writer has begun a newer session.
CREATE FUNCTION fieldwatch_append(
    p_writer uuid, p_session bigint, p_sequence bigint, p_count integer, p_last_event integer,
    p_partitions integer[], p_epochs bigint[],
    e_offset integer[], e_version bigint[], e_at timestamptz[], e_recorded_at timestamptz[], e_latitude double precision[],
    e_longitude double precision[], e_temperature real[], e_type smallint[], e_shelf smallint[], e_device text[],
    e_reading text[], e_record bytea[],
    l_offset integer[], l_at timestamptz[], l_received_at timestamptz[], l_latitude double precision[],
    l_longitude double precision[], l_temperature real[], l_shelf smallint[], l_device text[], l_record bytea[],
    o_offset integer[], o_last integer[], o_shelf smallint[], o_records bytea[],
    s_offset integer[], s_version bigint[], s_shelf smallint[], s_device text[], s_state bytea[],
    f_offset integer[], f_shelf smallint[], f_device text[],
    c_partition integer[], c_progress bytea[],
    OUT base bigint, OUT before bigint)
LANGUAGE plpgsql AS $$
DECLARE
    types CONSTANT fieldwatch_event_type[] := enum_range(NULL::fieldwatch_event_type);
    fenced integer;
BEGIN
    -- An append never reaches over the end of a table of events, and the first position of a table is not used.
    UPDATE fieldwatch_log SET
        position = CASE WHEN position >> 32 = (position + p_count) >> 32 THEN position + p_count
            ELSE (((position + p_count) >> 32) << 32) + p_count END,
        newest_before = newest_event,
        newest_event = CASE WHEN p_last_event < 0 THEN newest_event
            WHEN position >> 32 = (position + p_count) >> 32 THEN position + 1 + p_last_event
            ELSE (((position + p_count) >> 32) << 32) + 1 + p_last_event END
    RETURNING position - p_count + 1, newest_before INTO base, before;

    UPDATE fieldwatch_writers SET sequence = p_sequence, first_position = base, newest_before = before, seen_at = now()
    WHERE writer = p_writer AND session = p_session;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the writer has begun a newer session' USING ERRCODE = 'FW002';
    END IF;

    IF cardinality(p_partitions) > 0 THEN
        SELECT held.partition INTO fenced
        FROM unnest(p_partitions, p_epochs) AS held (partition, epoch)
        LEFT JOIN fieldwatch_checkpoints AS c ON c.partition = held.partition
        WHERE c.epoch IS DISTINCT FROM held.epoch LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION '%', fenced USING ERRCODE = 'FW001';
        END IF;
    END IF;

    IF cardinality(e_offset) > 0 THEN
        INSERT INTO fieldwatch_events (position, version, at, recorded_at, latitude, longitude, temperature, type, shelf,
            device_id, reading_id, record)
        SELECT base + unnest(e_offset), unnest(e_version), unnest(e_at), unnest(e_recorded_at), unnest(e_latitude),
            unnest(e_longitude), unnest(e_temperature), types[unnest(e_type)], unnest(e_shelf), unnest(e_device),
            unnest(e_reading), unnest(e_record);
    END IF;
    IF cardinality(l_offset) > 0 THEN
        INSERT INTO fieldwatch_late_readings (position, at, received_at, latitude, longitude, temperature, shelf, device_id, record)
        SELECT base + unnest(l_offset), unnest(l_at), unnest(l_received_at), unnest(l_latitude), unnest(l_longitude),
            unnest(l_temperature), unnest(l_shelf), unnest(l_device), unnest(l_record);
    END IF;
    IF cardinality(o_offset) > 0 THEN
        INSERT INTO fieldwatch_observations (position, last, shelf, records)
        SELECT base + unnest(o_offset), base + unnest(o_last), unnest(o_shelf), unnest(o_records);
    END IF;
    IF cardinality(s_offset) > 0 THEN
        INSERT INTO fieldwatch_snapshots AS s (device_id, position, version, shelf, state)
        SELECT DISTINCT ON (device) device, base + at, version, shelf, state
        FROM unnest(s_offset, s_version, s_shelf, s_device, s_state) AS t (at, version, shelf, device, state)
        ORDER BY device, at DESC
        ON CONFLICT (device_id) DO UPDATE SET position = excluded.position, version = excluded.version, state = excluded.state
        WHERE s.position < excluded.position;
    END IF;
    IF cardinality(f_offset) > 0 THEN
        INSERT INTO fieldwatch_forgotten AS f (device_id, position, shelf)
        SELECT DISTINCT ON (device) device, base + at, shelf
        FROM unnest(f_offset, f_shelf, f_device) AS t (at, shelf, device) ORDER BY device, at DESC
        ON CONFLICT (device_id) DO UPDATE SET position = excluded.position, erased = false;
    END IF;
    IF cardinality(c_partition) > 0 THEN
        INSERT INTO fieldwatch_checkpoints AS c (partition, progress)
        SELECT DISTINCT ON (partition) partition, progress
        FROM unnest(c_partition, c_progress) WITH ORDINALITY AS t (partition, progress, at) ORDER BY partition, at DESC
        ON CONFLICT (partition) DO UPDATE SET progress = excluded.progress, updated_at = now();
    END IF;
    PERFORM pg_notify('fieldwatch', p_writer::text);
END
$$;

-- For people who query: without what is hidden because its device was forgotten.
CREATE VIEW fieldwatch_told_events AS
    SELECT e.device_id, e.version, e.type, e.at, e.recorded_at, e.temperature, e.latitude, e.longitude, e.reading_id, e.position
    FROM fieldwatch_events AS e LEFT JOIN fieldwatch_forgotten AS f ON f.device_id = e.device_id
    WHERE f.position IS NULL OR e.position >= f.position OR e.type = 'DeviceHasBeenForgotten';
