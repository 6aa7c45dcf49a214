CREATE TABLE action (
id VARCHAR NOT NULL,
firing VARCHAR NOT NULL,
automation VARCHAR NOT NULL,
n INTEGER NOT NULL,
kind VARCHAR NOT NULL,
status VARCHAR NOT NULL,
attempts INTEGER NOT NULL,
at BIGINT NOT NULL,
target VARCHAR,
due BIGINT,
request VARCHAR,
result VARCHAR,
code VARCHAR,
message VARCHAR,
correlationid VARCHAR NOT NULL,
causationid VARCHAR,
depth INTEGER NOT NULL,
PRIMARY KEY (id)
);
CREATE INDEX action_dead ON action (id) WHERE status = 'dead';
CREATE INDEX action_due ON action (target, due) WHERE status IN ('waiting', 'sending');
CREATE TABLE applied (
origin VARCHAR NOT NULL,
instance VARCHAR NOT NULL,
digest VARCHAR NOT NULL,
at BIGINT NOT NULL,
PRIMARY KEY (origin, instance)
);
CREATE TABLE automation (
name VARCHAR NOT NULL,
revision INTEGER NOT NULL,
origin VARCHAR NOT NULL,
file VARCHAR,
line INTEGER,
definition VARCHAR,
digest VARCHAR NOT NULL,
trigger_digest VARCHAR NOT NULL,
enabled BOOLEAN NOT NULL,
shadow BOOLEAN NOT NULL,
paused BOOLEAN NOT NULL,
pause_reason VARCHAR,
created BIGINT NOT NULL,
updated BIGINT NOT NULL,
problems VARCHAR,
firings BIGINT NOT NULL,
last_fired BIGINT,
errors BIGINT NOT NULL,
in_a_row BIGINT NOT NULL,
last_error VARCHAR,
PRIMARY KEY (name)
);
CREATE TABLE delivery (
id VARCHAR NOT NULL,
hook VARCHAR NOT NULL,
at BIGINT NOT NULL,
status VARCHAR NOT NULL,
code VARCHAR,
message VARCHAR,
event VARCHAR,
remote VARCHAR,
headers VARCHAR NOT NULL,
size INTEGER NOT NULL,
PRIMARY KEY (id)
);
CREATE INDEX delivery_hook ON delivery (hook, id);
CREATE TABLE epoch (
id INTEGER NOT NULL,
number BIGINT NOT NULL,
PRIMARY KEY (id)
);
CREATE TABLE event (
position BIGINT NOT NULL,
id VARCHAR NOT NULL,
source VARCHAR NOT NULL,
type VARCHAR NOT NULL,
subject VARCHAR,
time BIGINT NOT NULL,
received BIGINT NOT NULL,
depth INTEGER NOT NULL,
correlationid VARCHAR NOT NULL,
causationid VARCHAR,
attributes VARCHAR,
data BLOB,
PRIMARY KEY (position)
);
CREATE INDEX event_correlation ON event (correlationid) WHERE causationid IS NOT NULL;
CREATE INDEX event_type_time ON event (type, time);
CREATE TABLE firing (
id VARCHAR NOT NULL,
automation VARCHAR NOT NULL,
revision INTEGER NOT NULL,
"trigger" INTEGER NOT NULL,
"key" VARCHAR,
at BIGINT NOT NULL,
count INTEGER NOT NULL,
events VARCHAR NOT NULL,
position BIGINT,
depth INTEGER NOT NULL,
outcome VARCHAR NOT NULL,
reason VARCHAR,
occasion VARCHAR,
actions INTEGER NOT NULL,
PRIMARY KEY (id)
);
CREATE INDEX firing_automation ON firing (automation, id);
CREATE TABLE flow (
name VARCHAR NOT NULL,
file VARCHAR NOT NULL,
function VARCHAR NOT NULL,
content_hash VARCHAR NOT NULL,
description VARCHAR,
signature VARCHAR NOT NULL,
tags VARCHAR NOT NULL,
retries INTEGER NOT NULL,
retry_delays VARCHAR NOT NULL,
timeout BIGINT,
paused BOOLEAN NOT NULL,
problem VARCHAR,
registered BIGINT NOT NULL,
updated BIGINT NOT NULL,
PRIMARY KEY (name)
);
CREATE TABLE flow_problem (
file VARCHAR NOT NULL,
line INTEGER NOT NULL,
message VARCHAR NOT NULL,
at BIGINT NOT NULL,
PRIMARY KEY (file, line)
);
CREATE TABLE member (
automation VARCHAR NOT NULL,
"trigger" INTEGER NOT NULL,
path VARCHAR NOT NULL,
"key" VARCHAR NOT NULL,
time BIGINT NOT NULL,
position BIGINT NOT NULL,
part INTEGER NOT NULL,
content VARCHAR NOT NULL,
PRIMARY KEY (automation, "trigger", path, "key", time, position, part)
)
WITHOUT ROWID;
CREATE TABLE pending (
position BIGINT NOT NULL,
PRIMARY KEY (position)
);
CREATE TABLE replay (
"key" BLOB NOT NULL,
event VARCHAR NOT NULL,
at BIGINT NOT NULL,
PRIMARY KEY ("key")
);
CREATE INDEX replay_at ON replay (at);
CREATE TABLE run (
id VARCHAR NOT NULL,
flow VARCHAR NOT NULL,
state VARCHAR NOT NULL,
attempt INTEGER NOT NULL,
revision INTEGER NOT NULL,
due BIGINT NOT NULL,
scheduled BIGINT NOT NULL,
started BIGINT,
ended BIGINT,
worker VARCHAR,
lease_until BIGINT,
retries INTEGER NOT NULL,
retried INTEGER NOT NULL,
retry_delays VARCHAR NOT NULL,
parameters VARCHAR NOT NULL,
tags VARCHAR NOT NULL,
pool VARCHAR NOT NULL,
message VARCHAR,
code VARCHAR,
result VARCHAR,
automation VARCHAR,
firing VARCHAR,
action VARCHAR,
idempotency_key VARCHAR,
correlationid VARCHAR NOT NULL,
depth INTEGER NOT NULL,
last_event VARCHAR,
PRIMARY KEY (id)
);
CREATE INDEX run_active ON run (state, id) WHERE (CASE state WHEN 'cancelling' THEN TRUE WHEN 'late' THEN TRUE WHEN 'paused' THEN TRUE WHEN 'pending' THEN TRUE WHEN 'retrying' THEN TRUE WHEN 'running' THEN TRUE WHEN 'scheduled' THEN TRUE ELSE FALSE END);
CREATE INDEX run_automation ON run (automation, id) WHERE automation IS NOT NULL;
CREATE INDEX run_due ON run (due, id) WHERE (CASE state WHEN 'late' THEN TRUE WHEN 'retrying' THEN TRUE WHEN 'scheduled' THEN TRUE ELSE FALSE END);
CREATE INDEX run_flow ON run (flow, id);
CREATE UNIQUE INDEX run_idempotency ON run (flow, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX run_lease ON run (lease_until) WHERE (CASE state WHEN 'cancelling' THEN TRUE WHEN 'pending' THEN TRUE WHEN 'running' THEN TRUE ELSE FALSE END);
CREATE INDEX run_overdue ON run (due) WHERE state = 'scheduled';
CREATE INDEX run_unwell ON run (state, id) WHERE (CASE state WHEN 'cancelled' THEN TRUE WHEN 'crashed' THEN TRUE WHEN 'failed' THEN TRUE WHEN 'skipped' THEN TRUE WHEN 'timed_out' THEN TRUE ELSE FALSE END);
CREATE TABLE run_log (
run VARCHAR NOT NULL,
seq BIGINT NOT NULL,
time BIGINT NOT NULL,
level INTEGER NOT NULL,
logger VARCHAR NOT NULL,
message VARCHAR NOT NULL,
task VARCHAR,
PRIMARY KEY (run, seq)
);
CREATE INDEX run_log_time ON run_log (time);
CREATE TABLE schema_version (
version INTEGER NOT NULL,
at BIGINT NOT NULL,
PRIMARY KEY (version)
);
CREATE TABLE seen (
"key" BLOB NOT NULL,
position BIGINT NOT NULL,
digest BLOB NOT NULL,
at BIGINT NOT NULL,
PRIMARY KEY ("key")
);
CREATE INDEX seen_at ON seen (at);
CREATE TABLE seen_block (
id BIGINT NOT NULL,
newest BIGINT NOT NULL,
records BLOB NOT NULL,
PRIMARY KEY (id)
);
CREATE TABLE seen_filter (
id BIGINT NOT NULL,
bits BLOB NOT NULL,
PRIMARY KEY (id)
);
CREATE TABLE seen_tail (
position BIGINT NOT NULL,
at BIGINT NOT NULL,
records BLOB NOT NULL,
PRIMARY KEY (position)
);
CREATE TABLE task_run (
id VARCHAR NOT NULL,
run VARCHAR NOT NULL,
name VARCHAR NOT NULL,
"key" VARCHAR NOT NULL,
state VARCHAR NOT NULL,
attempt INTEGER NOT NULL,
started BIGINT NOT NULL,
ended BIGINT,
message VARCHAR,
PRIMARY KEY (id)
);
CREATE INDEX task_run_run ON task_run (run, started);
CREATE TABLE timer (
automation VARCHAR NOT NULL,
"trigger" INTEGER NOT NULL,
path VARCHAR NOT NULL,
"key" VARCHAR NOT NULL,
due BIGINT NOT NULL,
PRIMARY KEY (automation, "trigger", path, "key")
)
WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due);
CREATE TABLE window (
automation VARCHAR NOT NULL,
"trigger" INTEGER NOT NULL,
path VARCHAR NOT NULL,
"key" VARCHAR NOT NULL,
newest BIGINT,
content VARCHAR NOT NULL,
firing VARCHAR,
updated BIGINT NOT NULL,
PRIMARY KEY (automation, "trigger", path, "key")
)
WITHOUT ROWID;
CREATE INDEX window_updated ON window (updated);
CREATE TABLE worker (
id VARCHAR NOT NULL,
host VARCHAR NOT NULL,
pid INTEGER NOT NULL,
pool VARCHAR NOT NULL,
slots INTEGER NOT NULL,
started BIGINT NOT NULL,
seen BIGINT NOT NULL,
state VARCHAR NOT NULL,
PRIMARY KEY (id)
);
