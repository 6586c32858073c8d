/**
 * The schema. Digests are bytes (algorithm byte + raw hash), names compare as bytes, times are milliseconds since
 * 1970. Keys that belong to a repository begin with `repository_id`; blobs and links begin with the digest. Foreign
 * keys RESTRICT: they, and not the collector's care, are the proof that nothing acknowledged is removed.
 */
export const sql = /* sql */ `
-- One row: how many commits there have been, by all processes. Orders the journal, also against a snapshot.
CREATE TABLE commits (seq INTEGER NOT NULL) STRICT;
INSERT INTO commits VALUES (0);

CREATE TABLE repositories (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused
  name TEXT NOT NULL,
  authority TEXT NOT NULL DEFAULT 'hosted',
  description TEXT,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  published_at INTEGER, -- first manifest; NULL: only uploads so far, not listed
  deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX repositories_by_name ON repositories (name) WHERE deleted_at IS NULL;
CREATE INDEX repositories_listed ON repositories (name) WHERE deleted_at IS NULL AND published_at IS NOT NULL;

CREATE INDEX repositories_unpublished ON repositories (created_at) WHERE deleted_at IS NULL AND published_at IS NULL;

CREATE TABLE repository_counts (
  repository_id INTEGER PRIMARY KEY REFERENCES repositories,
  tags INTEGER NOT NULL DEFAULT 0,
  manifests INTEGER NOT NULL DEFAULT 0, -- not deleted
  bytes INTEGER NOT NULL DEFAULT 0 -- distinct blobs linked
) STRICT;

CREATE TABLE objects (
  id BLOB PRIMARY KEY,
  store INTEGER NOT NULL DEFAULT 0,
  path TEXT, -- only what was taken over
  state TEXT NOT NULL CHECK (state IN ('uploading', 'live', 'garbage')),
  digest BLOB,
  size INTEGER,
  stamp INTEGER, -- the store's mark of untouched bytes
  version INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  delete_after INTEGER,
  claimed_until INTEGER
) STRICT;
CREATE INDEX objects_garbage ON objects (delete_after) WHERE state = 'garbage';

CREATE TABLE blobs (
  digest BLOB PRIMARY KEY,
  size INTEGER NOT NULL,
  object_id BLOB NOT NULL REFERENCES objects ON DELETE RESTRICT,
  verified_at INTEGER,
  damaged_at INTEGER
) STRICT;
CREATE INDEX blobs_by_object ON blobs (object_id); -- two digests may share one taken-over file

CREATE TABLE blob_links (
  digest BLOB NOT NULL REFERENCES blobs ON DELETE RESTRICT,
  repository_id INTEGER NOT NULL REFERENCES repositories ON DELETE RESTRICT,
  lease_until INTEGER NOT NULL,
  linked_at INTEGER NOT NULL,
  unlinked_at INTEGER,
  PRIMARY KEY (digest, repository_id)
) STRICT;
CREATE INDEX blob_links_by_repository ON blob_links (repository_id, digest);

CREATE TABLE deletions ( -- one a DELETE request: what a restore brings back together
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  what TEXT NOT NULL,
  deleted_by TEXT NOT NULL,
  deleted_by_name TEXT NOT NULL,
  client TEXT NOT NULL,
  request_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  cause TEXT NOT NULL
) STRICT;

CREATE INDEX deletions_by_repository ON deletions (repository_id);

CREATE TABLE manifests (
  repository_id INTEGER NOT NULL REFERENCES repositories ON DELETE RESTRICT,
  digest BLOB NOT NULL,
  media_type TEXT NOT NULL,
  artifact_type TEXT, -- as referrers show it
  subject BLOB,
  bytes BLOB NOT NULL,
  config_digest BLOB,
  config_type TEXT,
  platform TEXT,
  created INTEGER,
  annotations TEXT,
  content_size INTEGER NOT NULL, -- bytes of what it names
  pushed_at INTEGER NOT NULL,
  pushed_by TEXT NOT NULL,
  pushed_by_name TEXT NOT NULL,
  client TEXT NOT NULL,
  request_id TEXT NOT NULL,
  cause TEXT NOT NULL,
  last_pulled_at INTEGER,
  pulls INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER, -- NULL: stays
  deleted_at INTEGER,
  deletion_id INTEGER,
  PRIMARY KEY (repository_id, digest)
) STRICT;
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_expiring ON manifests (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX manifests_by_deletion ON manifests (deletion_id) WHERE deletion_id IS NOT NULL;
CREATE INDEX manifests_deleted ON manifests (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE manifest_refs (
  repository_id INTEGER NOT NULL,
  manifest BLOB NOT NULL,
  position INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('config', 'layer', 'child')),
  digest BLOB NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  platform TEXT,
  role TEXT,
  held_manifest BLOB, -- = digest once it is there; both NULL: sparse or non-distributable
  held_blob BLOB,
  PRIMARY KEY (repository_id, manifest, position),
  FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE,
  FOREIGN KEY (repository_id, held_manifest) REFERENCES manifests (repository_id, digest) ON DELETE RESTRICT,
  FOREIGN KEY (held_blob, repository_id) REFERENCES blob_links (digest, repository_id) ON DELETE RESTRICT
) STRICT;
-- Each row stands in exactly one of these.
CREATE INDEX manifest_refs_held_manifest ON manifest_refs (repository_id, held_manifest) WHERE held_manifest IS NOT NULL;
CREATE INDEX manifest_refs_held_blob ON manifest_refs (held_blob, repository_id) WHERE held_blob IS NOT NULL;
CREATE INDEX manifest_refs_waiting ON manifest_refs (repository_id, digest) WHERE held_manifest IS NULL AND held_blob IS NULL;

CREATE TABLE tags (
  repository_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  digest BLOB NOT NULL,
  sort_key TEXT NOT NULL, -- numbers in natural order
  moved_at INTEGER NOT NULL,
  moved_by TEXT NOT NULL,
  last_pulled_at INTEGER,
  pulls INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (repository_id, name),
  FOREIGN KEY (repository_id, digest) REFERENCES manifests (repository_id, digest) ON DELETE RESTRICT
) STRICT;
CREATE INDEX tags_by_digest ON tags (repository_id, digest);
CREATE INDEX tags_in_natural_order ON tags (repository_id, sort_key, name);

CREATE TABLE tag_moves (
  repository_id INTEGER NOT NULL REFERENCES repositories,
  name TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  from_digest BLOB,
  to_digest BLOB, -- NULL: deleted
  media_type TEXT,
  size INTEGER,
  principal_id TEXT NOT NULL,
  principal_name TEXT NOT NULL,
  client TEXT NOT NULL,
  request_id TEXT NOT NULL,
  cause TEXT NOT NULL,
  deletion_id INTEGER,
  PRIMARY KEY (repository_id, name, seq)
) STRICT;

CREATE TABLE uploads (
  id BLOB PRIMARY KEY,
  object_id BLOB REFERENCES objects ON DELETE RESTRICT, -- NULL: nothing received yet
  next_object_id BLOB REFERENCES objects ON DELETE RESTRICT, -- takes over from object_id once it has all its bytes
  repository_id INTEGER NOT NULL REFERENCES repositories ON DELETE RESTRICT,
  principal TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  received INTEGER NOT NULL DEFAULT 0,
  detail TEXT, -- the store's notes
  digest_so_far BLOB,
  digest_boot TEXT, -- the boot in which the bytes behind digest_so_far were written: they may not outlive it
  holder TEXT, -- the process that may still write into object_id
  held_until INTEGER, -- somebody is at work until then
  version INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  touched_at INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_by_touch ON uploads (touched_at);
CREATE INDEX uploads_by_repository ON uploads (repository_id);
CREATE INDEX uploads_by_object ON uploads (object_id) WHERE object_id IS NOT NULL;
CREATE INDEX uploads_by_next_object ON uploads (next_object_id) WHERE next_object_id IS NOT NULL;

CREATE TABLE candidates ( -- to be looked at by the collector; append only
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('manifest', 'link', 'blob')),
  repository_id INTEGER,
  digest BLOB NOT NULL,
  due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX candidates_due ON candidates (due_at);

CREATE TABLE pull_days (
  repository_id INTEGER NOT NULL REFERENCES repositories,
  day INTEGER NOT NULL, -- days since 1970
  pulls INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (repository_id, day)
) STRICT;

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  unique_key TEXT NOT NULL UNIQUE,
  payload TEXT,
  run_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  claimed_by TEXT,
  claimed_until INTEGER
) STRICT;
CREATE INDEX jobs_due ON jobs (run_at);

CREATE TABLE processes (
  id TEXT PRIMARY KEY,
  version TEXT NOT NULL,
  schema INTEGER NOT NULL,
  host TEXT NOT NULL,
  seq INTEGER NOT NULL DEFAULT 0, -- its share of commits.seq: tells own commits from foreign ones
  started_at INTEGER NOT NULL,
  heartbeat INTEGER NOT NULL
) STRICT;

-- Counts per repository, exact within the transaction that changes them.
CREATE TRIGGER repositories_counted AFTER INSERT ON repositories BEGIN
  INSERT INTO repository_counts (repository_id) VALUES (NEW.id);
END;
CREATE TRIGGER tags_added AFTER INSERT ON tags BEGIN
  UPDATE repository_counts SET tags = tags + 1 WHERE repository_id = NEW.repository_id;
END;
CREATE TRIGGER tags_removed AFTER DELETE ON tags BEGIN
  UPDATE repository_counts SET tags = tags - 1 WHERE repository_id = OLD.repository_id;
END;
CREATE TRIGGER manifests_added AFTER INSERT ON manifests WHEN NEW.deleted_at IS NULL BEGIN
  UPDATE repository_counts SET manifests = manifests + 1 WHERE repository_id = NEW.repository_id;
END;
CREATE TRIGGER manifests_deleted AFTER UPDATE OF deleted_at ON manifests
  WHEN (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL) BEGIN
  UPDATE repository_counts SET manifests = manifests + iif(NEW.deleted_at IS NULL, 1, -1)
    WHERE repository_id = NEW.repository_id;
END;
CREATE TRIGGER manifests_removed AFTER DELETE ON manifests WHEN OLD.deleted_at IS NULL BEGIN
  UPDATE repository_counts SET manifests = manifests - 1 WHERE repository_id = OLD.repository_id;
END;
CREATE TRIGGER blob_links_added AFTER INSERT ON blob_links WHEN NEW.unlinked_at IS NULL BEGIN
  UPDATE repository_counts SET bytes = bytes + (SELECT size FROM blobs WHERE digest = NEW.digest)
    WHERE repository_id = NEW.repository_id;
END;
CREATE TRIGGER blob_links_changed AFTER UPDATE OF unlinked_at ON blob_links
  WHEN (NEW.unlinked_at IS NULL) <> (OLD.unlinked_at IS NULL) BEGIN
  UPDATE repository_counts
    SET bytes = bytes + iif(NEW.unlinked_at IS NULL, 1, -1) * (SELECT size FROM blobs WHERE digest = NEW.digest)
    WHERE repository_id = NEW.repository_id;
END;
CREATE TRIGGER blob_links_removed AFTER DELETE ON blob_links WHEN OLD.unlinked_at IS NULL BEGIN
  UPDATE repository_counts SET bytes = bytes - (SELECT size FROM blobs WHERE digest = OLD.digest)
    WHERE repository_id = OLD.repository_id;
END;
`
