// What the tab of a run says of it: each kind of run, and each way it ends, in words of its own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, dryrun, publication, run, runstates, said, shape, task } from "./page.js";

globalThis.localStorage = { getItem: () => JSON.stringify("UTC") };

const DAG = { dag_id: "directory_sync", is_paused: false, max_active_runs: 1 };
const NOTHING = { dag: DAG, latest: null, now: new Date(at(12)), resource: "people", said: null, tasks: [], waiting: [] };
const of = (given) => runstates.stateOfRun({ ...NOTHING, run: run("r", 9), ...given });
const latest = (given = {}) => publication({ id: 8, runId: "r", snapshot_at: at(9), ...given });
const DONE = ["publish", "approve_removals", "remove"];
const REJECTED = [task("r", "publish"), task("r", "approve_removals"), task("r", "remove", "skipped")];
const DRY = run("r", 9, { conf: { mode: "dry_run" }, note: "✔ Dry run, nothing was published. people: 100 entries; 12 s" });
const dry = shape.reportOf({
  extra: { changes: { added: 12, changed: 3 }, entries: 100, mode: "dry_run", proof: "chain", resource: "people" },
  id: "r",
  timestamp: at(9),
});

for (const [name, given, level, text] of [
  ["published", { latest: latest() }, "ok", "This run published 100 entries, complete."],
  [
    "published without proof",
    { latest: latest({ proof: "walk" }) },
    "warning",
    "This run published 100 entries, completeness is not proven.",
  ],
  [
    "published, then failed",
    { latest: latest(), run: run("r", 9, { state: "failed" }), tasks: [task("r", "mail", "failed")] },
    "warning",
    "This run published 100 entries, complete; a later task failed.",
  ],
  [
    "fetched an interval",
    { latest: latest({ mode: "interval", entries: 1 }) },
    "ok",
    "This run fetched 1 entry that changed in its interval.",
  ],
  [
    "failed",
    {
      run: run("r", 9, { state: "failed" }),
      said: said([[task("r", "audit"), "directory_cause", "The total differs. Nothing was published."]]),
      tasks: [task("r", "audit", "failed")],
    },
    "error",
    "The run of 3 hours ago failed: The total differs.",
  ],
  [
    "failed as a dry run",
    { run: { ...DRY, note: "", state: "failed" }, tasks: [task("r", "audit", "failed")] },
    "error",
    "The dry run of 3 hours ago failed in `audit`.",
  ],
  [
    "was a dry run",
    { dry, run: DRY },
    "info",
    "A dry run: 100 entries read, complete. It published nothing; a sync would have brought 12 added and 3 changed.",
  ],
  ["was a dry run that may not be read", { run: DRY }, "info", "A dry run: it published nothing."],
  [
    "was a replay",
    { run: run("r", 9, { conf: { mode: "replay" }, note: "✔ people: 3 snapshots replayed; 4 s" }) },
    "ok",
    "A replay: the warehouse was rebuilt from the landing zone. people: 3 snapshots replayed",
  ],
  [
    "was skipped",
    { run: run("r", 9, { note: "✔ Skipped: `people` serves only its present state.; 1 s" }) },
    "info",
    "This run was skipped: `people` serves only its present state.",
  ],
  [
    "was rejected",
    {
      latest: latest({ held: 5 }),
      said: said([
        [REJECTED[1], "directory_decision", { choice: "rejected", by: "anna", at: at(9, 30), reason: "Rights lost" }],
      ]),
      tasks: REJECTED,
    },
    "warning",
    "Rejected by anna at 09:30 (“Rights lost”): nothing was removed. The rest of the run is published: 100 entries.",
  ],
  [
    "was not approved, and by whom may not be read",
    { latest: latest({ held: 5 }), tasks: REJECTED },
    "warning",
    "Not approved: nothing was removed. The rest of the run is published: 100 entries.",
  ],
  [
    "carried out a decision",
    {
      latest: latest({
        changes: { removed: 5 },
        decision: { choice: "approved", by: "anna", at: at(9, 30), reason: "" },
        mode: "decide",
      }),
      run: run("r", 9, { conf: { mode: "decide" } }),
      tasks: DONE.map((stage) => task("r", stage)),
    },
    "ok",
    "Approved by anna at 09:30: 5 entries removed.",
  ],
  [
    "found nothing to decide",
    { run: run("r", 9, { conf: { mode: "decide" }, note: "✔ people: no removal waits for a decision; 2 s" }) },
    "info",
    "This run asked about held removals: people: no removal waits for a decision.",
  ],
  [
    "had nothing to publish",
    {},
    "info",
    "This run published nothing, as nothing was newer than what is published.",
  ],
  [
    "reads",
    {
      run: run("r", 9, { end_date: null, state: "running" }),
      tasks: [task("r", "extract.shard_0", "running"), task("r", "audit", null)],
    },
    "info",
    "A run is on: it reads the directory, 0 of 1 shard done; it started 3 hours ago.",
  ],
  [
    "waits for another",
    {
      peers: [run("other", 8, { state: "running" })],
      run: run("r", 9, { end_date: null, start_date: null, state: "queued" }),
    },
    "warning",
    "A run waits: one run at a time (`max_active_runs`), and another one is active.",
  ],
])
  test(`a run that ${name} says so`, () => assert.deepEqual([of(given).level, of(given).text], [level, text]));

test("of a run are read its decision, and the report of a dry run", () => {
  const wanted = (given) => runstates.wantedOfRun({ ...NOTHING, ...given }).map((one) => [one.key, one.task.task_id]);
  assert.deepEqual(wanted({ run: run("r", 9), tasks: REJECTED }), [["directory_decision", "approve_removals"]]);
  assert.deepEqual(wanted({ run: DRY, tasks: [task("r", "audit")] }), [["return_value", "audit"]]);
  assert.deepEqual(wanted({ run: run("r", 9), tasks: [task("r", "audit")] }), []);
});

test("a dry run names the columns that would come, or why a sync would fail; an older one neither", () => {
  const column = { column: "iata_code", table: "people", type: "text" };
  assert.deepEqual(dryrun.triedBy({ columns_to_come: [column, { column: 7 }, null] }), { columns: [column], failure: null });
  assert.equal(dryrun.triedBy({ columns_to_come: [], would_fail: "The column exists." }).failure, "The column exists.");
  assert.deepEqual(dryrun.triedBy(null), { columns: null, failure: null });
});
