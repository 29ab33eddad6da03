/** The SQL that brings a database from version `index` to `index + 1`; only ever appended to. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;

  CREATE TABLE pairing_codes (
    code_id     TEXT PRIMARY KEY,
    method      TEXT NOT NULL,
    client_kind TEXT NOT NULL,
    key         BLOB,
    approve     INTEGER NOT NULL,
    issued_by   TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    tries_left  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    CHECK ((key IS NOT NULL) = (state = 'live'))
  ) STRICT;
  CREATE INDEX pairing_codes_live ON pairing_codes (code_id) WHERE state = 'live';

  CREATE TABLE pairing_tries (
    try_id         INTEGER PRIMARY KEY,
    code_id        TEXT NOT NULL REFERENCES pairing_codes,
    at             INTEGER NOT NULL,
    remote_address TEXT NOT NULL,
    device_id      TEXT NOT NULL,
    reason         TEXT NOT NULL
  ) STRICT;
  CREATE INDEX pairing_tries_by_code ON pairing_tries (code_id, try_id);

  CREATE TABLE pairing_requests (
    request_id              TEXT PRIMARY KEY,
    code_id                 TEXT NOT NULL,
    device_id               TEXT NOT NULL,
    client_kind             TEXT NOT NULL,
    method                  TEXT NOT NULL,
    state                   TEXT NOT NULL,
    device_public_key       BLOB NOT NULL,
    identity_fingerprint    TEXT NOT NULL,
    csr_der                 BLOB NOT NULL,
    transcript_hash         TEXT NOT NULL,
    platform                TEXT NOT NULL,
    device_name             TEXT NOT NULL,
    requested_capabilities  TEXT NOT NULL,
    remote_address          TEXT NOT NULL,
    requested_at            INTEGER NOT NULL,
    expires_at              INTEGER NOT NULL,
    decided_at              INTEGER,
    decided_by              TEXT,
    decision_reason         TEXT,
    certificate_fingerprint TEXT
  ) STRICT;
  CREATE INDEX pairing_requests_pending ON pairing_requests (request_id) WHERE state = 'pending_approval';
  CREATE INDEX pairing_requests_by_device ON pairing_requests (device_id);

  CREATE TABLE devices (
    device_id            TEXT PRIMARY KEY,
    client_kind          TEXT NOT NULL,
    status               TEXT NOT NULL,
    device_name          TEXT NOT NULL,
    platform             TEXT NOT NULL,
    public_key           BLOB NOT NULL,
    identity_fingerprint TEXT NOT NULL,
    granted_capabilities TEXT NOT NULL,
    paired_at            INTEGER NOT NULL,
    approved_by          TEXT NOT NULL,
    revoked_at           INTEGER,
    revoked_reason       TEXT
  ) STRICT;

  CREATE TABLE certificates (
    fingerprint    TEXT PRIMARY KEY,
    device_id      TEXT NOT NULL REFERENCES devices ON DELETE CASCADE,
    issued_at      INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    pem            TEXT NOT NULL,
    revoked_at     INTEGER,
    revoked_reason TEXT
  ) STRICT;
  CREATE INDEX certificates_by_device ON certificates (device_id);

  CREATE TABLE nodes (
    device_id        TEXT PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    platform         TEXT NOT NULL,
    device_name      TEXT NOT NULL,
    software_version TEXT NOT NULL,
    capabilities     TEXT NOT NULL,
    registered_at    INTEGER NOT NULL,
    last_seen_at     INTEGER NOT NULL,
    epoch            INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE requests (
    request_id        TEXT PRIMARY KEY,
    device_id         TEXT NOT NULL,
    capability        TEXT NOT NULL,
    state             TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    epoch             INTEGER NOT NULL,
    instance_id       TEXT,
    idempotent        INTEGER NOT NULL,
    input_json        BLOB NOT NULL,
    max_payload_bytes INTEGER NOT NULL,
    deadline          INTEGER NOT NULL,
    requested_by      TEXT NOT NULL,
    idempotency_key   TEXT,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    dispatched_at     INTEGER,
    completed_at      INTEGER,
    output_json       BLOB,
    error_code        TEXT,
    error             TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX requests_by_device ON requests (device_id, request_id);
  CREATE INDEX requests_unfinished ON requests (request_id) WHERE completed_at IS NULL;
  CREATE UNIQUE INDEX requests_by_idempotency_key ON requests (device_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
  `,
  // A device's log outlives the device, so that its numbers never come twice.
  `
  CREATE TABLE device_event_logs (
    device_id TEXT PRIMARY KEY,
    newest    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE device_events (
    device_id    TEXT NOT NULL REFERENCES devices ON DELETE CASCADE,
    sequence     INTEGER NOT NULL,
    name         TEXT NOT NULL,
    payload_json TEXT NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (device_id, sequence)
  ) STRICT, WITHOUT ROWID;
  `,
  // What callers may ask of the queue, what came too late, and progress.
  `
  ALTER TABLE requests ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
  ALTER TABLE requests ADD COLUMN on_disconnect TEXT;
  ALTER TABLE requests ADD COLUMN ttl_ends_at INTEGER NOT NULL DEFAULT 0;
  UPDATE requests SET ttl_ends_at = deadline;
  ALTER TABLE requests ADD COLUMN journal_id TEXT;
  ALTER TABLE requests ADD COLUMN late_attempt INTEGER;
  ALTER TABLE requests ADD COLUMN late_at INTEGER;
  ALTER TABLE requests ADD COLUMN late_success INTEGER;
  ALTER TABLE requests ADD COLUMN late_error_code TEXT;
  CREATE INDEX requests_ended_badly ON requests (state, request_id) WHERE error_code IS NOT NULL;

  CREATE TABLE request_progress (
    request_id   TEXT NOT NULL REFERENCES requests ON DELETE CASCADE,
    attempt      INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    payload_json BLOB NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (request_id, attempt, sequence)
  ) STRICT, WITHOUT ROWID;
  `,
  // AUTOINCREMENT remembers the highest number beside the table, so that a tail that was cut off is missed.
  `
  CREATE TABLE audit (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    actor         TEXT NOT NULL,
    subject       TEXT NOT NULL,
    details_json  TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash          BLOB NOT NULL
  ) STRICT;
  `,
  // Certificates come from one of several CAs and replace each other in two phases; devices recover, and may be denied.
  `
  ALTER TABLE devices ADD COLUMN denied_capabilities TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE devices ADD COLUMN recovery_allowed INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE devices ADD COLUMN recovery_count INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE devices ADD COLUMN recovery_alarm TEXT;
  ALTER TABLE devices ADD COLUMN rotation_asked_at INTEGER;
  ALTER TABLE certificates ADD COLUMN ca_fingerprint TEXT NOT NULL DEFAULT '';
  ALTER TABLE certificates ADD COLUMN first_used_at INTEGER;
  UPDATE certificates SET first_used_at = issued_at,
    ca_fingerprint = coalesce((SELECT value FROM facts WHERE name = 'ca_fingerprint'), '');

  CREATE TABLE recoveries (
    device_id      TEXT NOT NULL REFERENCES devices ON DELETE CASCADE,
    at             INTEGER NOT NULL,
    remote_address TEXT NOT NULL,
    fingerprint    TEXT NOT NULL,
    PRIMARY KEY (device_id, at, fingerprint)
  ) STRICT, WITHOUT ROWID;
  `,
  // A certificate outlives the device that was removed; it stays among the revoked until it has expired.
  `
  CREATE TABLE removed_certificates (
    fingerprint    TEXT PRIMARY KEY,
    device_id      TEXT NOT NULL,
    pem            TEXT NOT NULL,
    ca_fingerprint TEXT NOT NULL,
    issued_at      INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    revoked_at     INTEGER NOT NULL,
    revoked_reason TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX removed_certificates_expires_at ON removed_certificates (expires_at);
  `,
];
