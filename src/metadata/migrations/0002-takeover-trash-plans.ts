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

-- A dry run's plan, and what became of it.
CREATE TABLE collection_plans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  made_at INTEGER NOT NULL,
  made_by TEXT NOT NULL,
  empties_trash INTEGER NOT NULL,
  run_at INTEGER
) STRICT;
CREATE TABLE collection_plan_items (
  plan_id INTEGER NOT NULL REFERENCES collection_plans ON DELETE CASCADE,
  position INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('manifest', 'link', 'blob')),
  repository_id INTEGER,
  digest BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (plan_id, position)
) STRICT;

-- The scrub: those never verified first, then those longest ago.
CREATE INDEX blobs_by_verification ON blobs (verified_at);
CREATE INDEX blobs_damaged ON blobs (damaged_at) WHERE damaged_at IS NOT NULL;
`
