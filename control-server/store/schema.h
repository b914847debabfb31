// The disk format: statements that make each version from the one before it.
//
// To change the format: append an entry to kMigrations, never edit an old one, and add a test that opens a
// store of the version before.  `user_version` is the number of entries applied.
#pragma once

#include <array>

namespace duly {

inline constexpr std::array<const char*, 12> kMigrations = {R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- Names used by many rows.  kind: 1 = queue, 2 = type.
CREATE TABLE name (number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text));
CREATE TABLE queue (number INTEGER PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0);
-- One start of one agent or foreign executor.
CREATE TABLE party (number INTEGER PRIMARY KEY, name TEXT NOT NULL, incarnation INTEGER NOT NULL,
                    UNIQUE (name, incarnation));

-- What was asked for: written once.
CREATE TABLE command (
  id INTEGER PRIMARY KEY, created_ms INTEGER NOT NULL, type INTEGER NOT NULL, queue INTEGER NOT NULL, key TEXT,
  retry TEXT, timeout_ms INTEGER NOT NULL, on_lost INTEGER NOT NULL, labels TEXT, payload BLOB NOT NULL);

-- What changes: narrow, so that a step touches few pages.
CREATE TABLE state (
  id INTEGER PRIMARY KEY, state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),
  shard INTEGER NOT NULL, queue INTEGER NOT NULL, type INTEGER NOT NULL, priority INTEGER NOT NULL,
  due_ms INTEGER NOT NULL, order_ms INTEGER NOT NULL, token INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0, base_attempt INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL,
  losses INTEGER NOT NULL DEFAULT 0, key_hash INTEGER, expires_ms INTEGER,
  queued_ms INTEGER NOT NULL DEFAULT 0, started_ms INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,
  publisher INTEGER NOT NULL DEFAULT 0, executor INTEGER NOT NULL DEFAULT 0, nonce INTEGER NOT NULL DEFAULT 0,
  finished_ms INTEGER NOT NULL DEFAULT 0, reason INTEGER NOT NULL DEFAULT 0,
  CHECK ((state >= 4) = (finished_ms > 0)), CHECK ((state = 5) = (reason > 0)),
  CHECK (state <> 3 OR started_ms > 0));
CREATE INDEX state_ready ON state (shard, queue, due_ms, id) WHERE state = 1;
CREATE INDEX state_active ON state (state, id) WHERE state IN (2, 3);
CREATE INDEX state_expiring ON state (expires_ms) WHERE expires_ms IS NOT NULL AND state IN (0, 1, 2);
CREATE INDEX state_key_live ON state (key_hash, order_ms, id) WHERE key_hash IS NOT NULL AND state IN (1, 2, 3);
CREATE INDEX state_key ON state (key_hash, id) WHERE key_hash IS NOT NULL;

-- One row for each ended attempt.
CREATE TABLE attempt (
  id INTEGER NOT NULL, attempt INTEGER NOT NULL, epoch INTEGER NOT NULL, publisher INTEGER NOT NULL,
  executor INTEGER NOT NULL, queued_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,
  outcome INTEGER NOT NULL, error TEXT, result BLOB, PRIMARY KEY (id, attempt)) WITHOUT ROWID;

CREATE TABLE label (name TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL,
                    PRIMARY KEY (name, value, id)) WITHOUT ROWID;

CREATE TABLE idempotency (key TEXT PRIMARY KEY, id INTEGER NOT NULL, body_hash INTEGER NOT NULL,
                          until_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX idempotency_until ON idempotency (until_ms);

-- Everything that happened to a command by hand or by failure: who and why.
CREATE TABLE event (sequence INTEGER PRIMARY KEY, id INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
                    who TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX event_command ON event (id, sequence);
-- Everything that an operator did to the system.
CREATE TABLE audit (sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
                    subject TEXT NOT NULL, detail TEXT NOT NULL);

CREATE TABLE shard (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, agent TEXT NOT NULL,
                    incarnation INTEGER NOT NULL, pinned TEXT NOT NULL);

-- Commands by queue, type and state, kept in the transactions that change the rows.
CREATE TABLE counter (queue INTEGER NOT NULL, type INTEGER NOT NULL, state INTEGER NOT NULL, count INTEGER NOT NULL,
                      PRIMARY KEY (queue, type, state)) WITHOUT ROWID;

-- Dead letters not yet confirmed by the broker.
CREATE TABLE dead_outbox (id INTEGER NOT NULL, attempt INTEGER NOT NULL, PRIMARY KEY (id, attempt)) WITHOUT ROWID;
)sql",
                                                            R"sql(
ALTER TABLE queue ADD COLUMN max_running INTEGER;
ALTER TABLE queue ADD COLUMN rate_count INTEGER;
ALTER TABLE queue ADD COLUMN rate_per_ms INTEGER;
-- The starts that a queue's rate still counts, some 64 rows a queue.
CREATE TABLE rate_slice (queue INTEGER NOT NULL, end_ms INTEGER NOT NULL, starts INTEGER NOT NULL,
                         PRIMARY KEY (queue, end_ms)) WITHOUT ROWID;
)sql",
                                                            R"sql(
-- Acts on every command that a filter finds; their ids are of the same source as those of commands.
CREATE TABLE operation (
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, state INTEGER NOT NULL, dry_run INTEGER NOT NULL,
  filter TEXT NOT NULL, who TEXT NOT NULL, cursor INTEGER NOT NULL, matched INTEGER NOT NULL,
  changed INTEGER NOT NULL, skipped INTEGER NOT NULL, created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL);
CREATE INDEX operation_running ON operation (id) WHERE state = 0;
)sql",
                                                            R"sql(
-- A schedule, as it stands: its command's fields are those of the tables command and state.
CREATE TABLE schedule (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, spec TEXT NOT NULL,
  cron TEXT NOT NULL, every_ms INTEGER NOT NULL, time_zone TEXT NOT NULL, start_ms INTEGER, end_ms INTEGER,
  enabled INTEGER NOT NULL, overlap INTEGER NOT NULL, catch_up INTEGER NOT NULL, window_ms INTEGER NOT NULL,
  catch_max INTEGER NOT NULL, jitter_ms INTEGER NOT NULL,
  type TEXT NOT NULL, queue TEXT NOT NULL, key TEXT NOT NULL, priority INTEGER NOT NULL, retry TEXT NOT NULL,
  timeout_ms INTEGER NOT NULL, on_lost INTEGER NOT NULL, labels TEXT NOT NULL, payload BLOB NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  next_ms INTEGER, wake_ms INTEGER, buffered_ms INTEGER, last_fire_ms INTEGER,
  fired INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
  CHECK ((next_ms IS NULL) = (wake_ms IS NULL)));
CREATE INDEX schedule_wake ON schedule (wake_ms) WHERE wake_ms IS NOT NULL;
-- Every change, with who and when.
CREATE TABLE schedule_version (
  schedule INTEGER NOT NULL, version INTEGER NOT NULL, at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
  enabled INTEGER NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (schedule, version)) WITHOUT ROWID;
-- One fire time makes one command.  kind: 0 = by the timetable, 1 = by hand.
CREATE TABLE fire (
  schedule INTEGER NOT NULL, fire_ms INTEGER NOT NULL, kind INTEGER NOT NULL, command INTEGER NOT NULL,
  PRIMARY KEY (schedule, fire_ms, kind)) WITHOUT ROWID;
CREATE INDEX fire_command ON fire (schedule, command);
-- Commands of schedules that have not ended.
CREATE TABLE fire_open (command INTEGER PRIMARY KEY, schedule INTEGER NOT NULL);
CREATE INDEX fire_open_schedule ON fire_open (schedule, command);
-- Removed schedules whose fires are still being removed.
CREATE TABLE schedule_gone (id INTEGER PRIMARY KEY);
ALTER TABLE command ADD COLUMN schedule INTEGER;
ALTER TABLE command ADD COLUMN fire_ms INTEGER;
)sql",
                                                            R"sql(
-- Commands that wait for others, as one piece of work; ids are of the same source as those of commands.
-- stopped: 1 = the rest is cancelled because one ended badly, 2 = cancelled by hand.
CREATE TABLE workflow (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, on_failure INTEGER NOT NULL, state INTEGER NOT NULL,
  stopped INTEGER NOT NULL, total INTEGER NOT NULL, open INTEGER NOT NULL, failed INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,
  CHECK (open BETWEEN 0 AND total), CHECK ((open = 0) = (finished_ms > 0)), CHECK ((open > 0) = (state = 0)));
CREATE INDEX workflow_state ON workflow (state, id);
-- fills: 0 = its payload is as given, 1 = it takes results, 2 = it has taken them.
CREATE TABLE node (command INTEGER PRIMARY KEY, workflow INTEGER NOT NULL, name TEXT NOT NULL, fills INTEGER NOT NULL);
CREATE INDEX node_workflow ON node (workflow, command);
-- The child begins after the parent has succeeded.
CREATE TABLE edge (parent INTEGER NOT NULL, child INTEGER NOT NULL, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE INDEX edge_child ON edge (child, parent);
-- Of every waiting command: how many of its parents have not succeeded yet.
CREATE TABLE unmet (command INTEGER PRIMARY KEY, parents INTEGER NOT NULL CHECK (parents > 0));
-- Payloads that were replaced when a dead command was redriven.
CREATE TABLE revision (id INTEGER NOT NULL, revision INTEGER NOT NULL, at_ms INTEGER NOT NULL, who TEXT NOT NULL,
                       payload BLOB NOT NULL, PRIMARY KEY (id, revision));
-- By priority too: the most urgent of a long backlog is found at once.
DROP INDEX state_ready;
CREATE INDEX state_ready ON state (shard, queue, priority, due_ms, id) WHERE state = 1;
)sql",
                                                            R"sql(
-- Ended commands in the order of their ends: what is removed when its time is over, and what is exported.
CREATE INDEX state_ended ON state (finished_ms, id, state, type, queue) WHERE state >= 4;
-- A fire whose command was removed stays, with the number negative: that fire time has had its command.
DROP INDEX fire_command;
CREATE INDEX fire_command ON fire (schedule, command) WHERE command > 0;
)sql",
                                                            R"sql(
-- The X-Request-Id of what was done over HTTP.
ALTER TABLE audit ADD COLUMN request TEXT NOT NULL DEFAULT '';
)sql",
                                                            R"sql(
-- What a message brought: another content type than application/json (NULL), and bytes that are not JSON.
ALTER TABLE command ADD COLUMN content_type TEXT;
ALTER TABLE command ADD COLUMN opaque INTEGER NOT NULL DEFAULT 0;
ALTER TABLE revision ADD COLUMN opaque INTEGER NOT NULL DEFAULT 0;
)sql",
                                                            R"sql(
-- Commands of the queue that may travel in one message.
ALTER TABLE queue ADD COLUMN bundle INTEGER NOT NULL DEFAULT 1;
)sql",
                                                            R"sql(
-- Deliver mode: whose exchange the message goes to (NULL = to executors), and its properties as AMQP writes them.
ALTER TABLE command ADD COLUMN deliver_exchange TEXT;
ALTER TABLE command ADD COLUMN deliver_key TEXT;
ALTER TABLE command ADD COLUMN deliver_properties BLOB;
ALTER TABLE schedule ADD COLUMN deliver_exchange TEXT;
ALTER TABLE schedule ADD COLUMN deliver_key TEXT;
ALTER TABLE schedule ADD COLUMN deliver_properties BLOB;
)sql",
                                                            R"sql(
-- Who is told when a command ends (store/callback_rows.h); next_ms while a call is owed.
CREATE TABLE callback (
  id INTEGER PRIMARY KEY, url TEXT NOT NULL, origin TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0,
  ends INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER,
  error TEXT NOT NULL DEFAULT '', CHECK ((state = 1) = (next_ms IS NOT NULL)));
CREATE INDEX callback_owed ON callback (origin, next_ms, id) WHERE next_ms IS NOT NULL;
ALTER TABLE schedule ADD COLUMN callback_url TEXT NOT NULL DEFAULT '';
)sql",
                                                            R"sql(
-- W3C Trace Context that the command came with, or was given (NULL = none).
ALTER TABLE command ADD COLUMN traceparent TEXT;
ALTER TABLE command ADD COLUMN tracestate TEXT;
)sql"};

}  // namespace duly
