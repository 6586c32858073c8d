/**
 * Who there is and what they may: users, groups, robots, their secrets, rules, the keys that tokens are signed with, and
 * what everybody did. No foreign keys to or from the rest: accounts come and go, and rows keep names beside ids.
 */
export const sql = /* sql */ `
-- One row. The version is raised by each change of who may do what; what is kept in memory holds for one version.
CREATE TABLE access (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL,
  rules INTEGER NOT NULL, -- raised, beside the version, by each change of access_rules
  registry TEXT NOT NULL -- names this registry in its tokens, so that another's are not taken
) STRICT;
INSERT INTO access VALUES (1, 0, 0, lower(hex(randomblob(8))));

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a name that comes back is somebody else
  name TEXT NOT NULL UNIQUE,
  password TEXT, -- a hash; NULL: no password is right
  stamp TEXT NOT NULL, -- random, new with each password: what was given out under another one counts no more
  is_admin INTEGER NOT NULL DEFAULT 0,
  disabled_at INTEGER,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  last_used_at INTEGER
) STRICT;
CREATE INDEX users_administrators ON users (is_admin) WHERE is_admin = 1;

CREATE TABLE groups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL
) STRICT;
CREATE TABLE group_members (
  group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
  member TEXT NOT NULL, -- user:NAME or robot:NAME, wherever that name is known
  PRIMARY KEY (group_id, member)
) STRICT;
CREATE INDEX group_members_by_member ON group_members (member, group_id);

CREATE TABLE robots (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL DEFAULT '',
  scopes TEXT NOT NULL, -- JSON: [{"repositories": "team/**", "actions": ["pull"]}, …], what it may
  disabled_at INTEGER,
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL
) STRICT;

CREATE TABLE secrets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('personal', 'robot', 'refresh', 'session')),
  hash BLOB NOT NULL UNIQUE, -- SHA-256 of the secret, which is random and long
  hint TEXT NOT NULL, -- how it begins, to tell which one it is
  holder TEXT NOT NULL, -- a principal's id: user:7, robot:3, htpasswd:alice, ldap:alice
  holder_name TEXT NOT NULL,
  stamp TEXT, -- the holder's when it was made; NULL: it outlives a change of the password
  parent INTEGER, -- of a refresh token: the secret that it was given for, with which it ends
  name TEXT NOT NULL DEFAULT '',
  scopes TEXT, -- as those of robots: at most this; NULL: all that the holder may
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER,
  last_used_from TEXT
) STRICT;
CREATE INDEX secrets_by_holder ON secrets (holder, kind, id);
CREATE INDEX secrets_by_parent ON secrets (parent) WHERE parent IS NOT NULL;
CREATE INDEX secrets_expiring ON secrets (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX secrets_revoked ON secrets (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE access_rules (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pattern TEXT NOT NULL UNIQUE,
  allow TEXT NOT NULL, -- JSON: {"group:devs": ["pull", "push"], …}
  changed_at INTEGER NOT NULL,
  changed_by TEXT NOT NULL
) STRICT;

CREATE TABLE signing_keys (
  id TEXT PRIMARY KEY, -- the kid of its tokens
  private_key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  signs_until INTEGER NOT NULL,
  verifies_until INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  act TEXT NOT NULL, -- as sign-in, push, delete, rule
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
  principal_id TEXT NOT NULL,
  principal_name TEXT NOT NULL,
  target TEXT NOT NULL, -- what it was done to
  detail TEXT, -- JSON
  address TEXT NOT NULL,
  client TEXT NOT NULL,
  request_id TEXT NOT NULL,
  times INTEGER NOT NULL DEFAULT 1 -- the same refusal, again and again
) STRICT;
CREATE INDEX audit_by_time ON audit (at, id);
CREATE INDEX audit_by_principal ON audit (principal_name, id);
`
