/** What taking over a folder, undoing a deletion, planning a collection and checking the bytes need. */
export const sql = /* sql */ `
-- Takeover of what CNCF Distribution wrote. One row, made when the first process finds such a folder.
CREATE TABLE takeover (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  begun_at INTEGER NOT NULL,
  walked_to TEXT NOT NULL DEFAULT '', -- the background walk has done all repositories up to this name
  walker TEXT, -- the process that walks
  walker_until INTEGER,
  written_at INTEGER, -- when Berth itself last wrote Distribution's link files (an export)
  completed_at INTEGER -- the mark: before it nothing is collected and no plain file is removed
) STRICT;
ALTER TABLE repositories ADD COLUMN imported_at INTEGER; -- all that Distribution had of it is here
ALTER TABLE repositories ADD COLUMN imported_as_of INTEGER; -- as its folder was then
CREATE INDEX repositories_imported ON repositories (name) WHERE imported_at IS NOT NULL;

-- What could not be taken over as it was, or only with a remark.
CREATE TABLE takeover_findings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository TEXT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL, -- what, as a person reads it
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX takeover_findings_by_repository ON takeover_findings (repository);

-- A file has one owner, or collecting one row would remove what another one serves.
CREATE UNIQUE INDEX objects_by_path ON objects (path) WHERE path IS NOT NULL;

-- While one of these is in force no file is removed: a backup or an export is reading them.
CREATE TABLE removal_holds (
  id TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  until INTEGER NOT NULL -- renewed while the work goes on
) STRICT;
CREATE INDEX removal_holds_in_force ON removal_holds (until);

-- Undo.
ALTER TABLE deletions ADD COLUMN restored_at INTEGER;
ALTER TABLE deletions ADD COLUMN emptied_at INTEGER; -- "empty the trash" was said
CREATE INDEX tag_moves_by_deletion ON tag_moves (deletion_id) WHERE deletion_id IS NOT NULL;
CREATE INDEX tag_moves_by_time ON tag_moves (repository_id, at);
ALTER TABLE deletions ADD COLUMN kind TEXT CHECK (kind IN ('tag', 'manifest', 'blob'));
ALTER TABLE deletions ADD COLUMN digest BLOB; -- of the manifest or the blob; of a tag: where it pointed
ALTER TABLE deletions ADD COLUMN until INTEGER; -- it can be restored up to here
UPDATE deletions SET kind = substr(what, 1, instr(what, ' ') - 1), until = at + 86400000;
UPDATE deletions SET digest = unhex('01' || substr(what, instr(what, ':') + 1)) WHERE what LIKE '% sha256:%';
UPDATE deletions SET digest = unhex('02' || substr(what, instr(what, ':') + 1)) WHERE what LIKE '% sha512:%';
UPDATE deletions SET digest = (SELECT m.from_digest FROM tag_moves m WHERE m.deletion_id = deletions.id LIMIT 1)
  WHERE kind = 'tag';
CREATE INDEX deletions_open ON deletions (until, id) WHERE restored_at IS NULL AND emptied_at IS NULL;
CREATE INDEX deletions_open_by_repository ON deletions (repository_id, until, id)
  WHERE restored_at IS NULL AND emptied_at IS NULL;
DROP INDEX deletions_by_repository;
CREATE INDEX deletions_by_digest ON deletions (repository_id, digest);
ALTER TABLE manifests ADD COLUMN lease_until INTEGER; -- promised to a reader by digest; expires_at is never less
ALTER TABLE blob_links ADD COLUMN kept_until INTEGER; -- unlinked, and can be restored up to here

-- What a collection would remove, and what of it is still to be removed.
CREATE TABLE collection_plans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  made_at INTEGER NOT NULL,
  empties_trash INTEGER NOT NULL, -- as if the trash were emptied
  takes_unused INTEGER NOT NULL, -- also links that no manifest ever held
  completed_at INTEGER, -- NULL: still being made
  manifests INTEGER NOT NULL DEFAULT 0,
  links INTEGER NOT NULL DEFAULT 0,
  blobs INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0, -- of the files that go, each counted once
  run_at INTEGER
) STRICT;
CREATE TABLE collection_plan_items ( -- gone when what it names is
  plan_id INTEGER NOT NULL REFERENCES collection_plans,
  kind TEXT NOT NULL CHECK (kind IN ('manifest', 'link', 'blob')),
  repository_id INTEGER NOT NULL, -- 0: a blob, which is in none
  digest BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  level INTEGER NOT NULL, -- from 0: goes, after what has a smaller one. Below: looked at while the plan is made
  PRIMARY KEY (plan_id, kind, repository_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX collection_plan_items_by_level ON collection_plan_items (plan_id, kind, level, repository_id, digest);

-- The scrub: those never verified first, then those longest ago.
CREATE INDEX blobs_by_verification ON blobs (verified_at, digest);
CREATE INDEX blobs_damaged ON blobs (damaged_at) WHERE damaged_at IS NOT NULL;
`
