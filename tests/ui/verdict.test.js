// The first sentence of the page, and what waits for a person.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, publication, run, verdict } from "./page.js";

const NOW = new Date("2026-03-01T12:00:00Z");
const DAG = {
  dag_id: "directory_sync",
  is_paused: false,
  timetable_periodic: true,
  next_dagrun_data_interval_start: "2026-03-01T08:00:00Z",
  next_dagrun_data_interval_end: "2026-03-02T08:00:00Z",
  next_dagrun_run_after: "2026-03-02T08:00:00Z",
};
const headline = (given) => verdict.headline({ dag: DAG, runs: [], latest: null, now: NOW, ...given });
const notices = (given) =>
  verdict.notices({ dag: DAG, runs: [], tasks: [], latest: null, waiting: [], now: NOW, ...given });
const latest = (given = {}) => publication({ id: 8, snapshot_at: at(8), ...given });

test("a proven publication of today is complete", () => {
  assert.deepEqual(headline({ latest: latest(), runs: [run("run-8", 8)] }), {
    level: "ok",
    text: "Complete: all 100 entries, read 4 hours ago.",
  });
});

test("what is not proven is not called complete", () => {
  assert.deepEqual(headline({ latest: latest({ proof: "walk" }) }), {
    level: "warning",
    text: "100 entries, read 4 hours ago; it is not proven that these are all.",
  });
});

test("held removals and a failed later task are told beside the completeness", () => {
  const runs = [run("run-8", 8, { state: "failed" })];
  assert.deepEqual(headline({ latest: latest({ held: 1 }), runs }), {
    level: "warning",
    text: "Complete: all 100 entries, read 4 hours ago; 1 removal is held; a later task of the run failed.",
  });
});

test("a failed run after the publication is told first", () => {
  const found = headline({ latest: latest(), runs: [run("run-8", 8), run("run-9", 9, { state: "failed" })] });
  assert.equal(found.level, "error");
  assert.match(found.text, /^The last run failed; the warehouse holds the 100 entries read 4 hours ago/);
});

test("one and a half intervals are in time, more is late; without a schedule nothing is", () => {
  const hoursAgo = (hours) => new Date(NOW - hours * 3_600_000).toISOString();
  assert.equal(verdict.lateness(DAG, [], hoursAgo(36), NOW).isLate, false);
  assert.equal(verdict.lateness(DAG, [], hoursAgo(36.1), NOW).isLate, true);
  assert.equal(verdict.lateness({ timetable_periodic: false }, [], hoursAgo(1_000), NOW), null);
  assert.match(headline({ latest: latest({ snapshot_at: hoursAgo(40) }) }).text, /^Out of date: .* every 24 hours\.$/);
});

for (const [name, given, level, text] of [
  ["a run is on", { runs: [run("r", 9, { state: "queued" })] }, "info", "Nothing is published yet; the first run is active."],
  [
    "the last run failed",
    { runs: [run("r", 9, { state: "failed" })] },
    "error",
    "Nothing is published yet: the last run failed.",
  ],
  [
    "the Dag is paused",
    { dag: { ...DAG, is_paused: true } },
    "warning",
    "Nothing is published yet, and the Dag is paused.",
  ],
  ["a run is due", {}, "info", "Nothing is published yet. The next run is due in 20 hours."],
  ["no run is due", { dag: { timetable_periodic: false } }, "info", "Nothing is published yet."],
])
  test(`before the first publication: ${name}`, () => assert.deepEqual(headline(given), { level, text }));

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
    { latest: latest(), run: run("r", 9, { state: "failed" }) },
    "warning",
    "This run published 100 entries, complete; a later task failed.",
  ],
  [
    "fetched an interval",
    { latest: latest({ mode: "interval", entries: 1 }) },
    "ok",
    "This run fetched 1 entry that changed in its interval.",
  ],
  ["failed", { run: run("r", 9, { state: "failed" }) }, "error", "This run failed and published nothing."],
  [
    "had nothing to publish",
    { run: run("r", 9) },
    "info",
    "This run published nothing: a dry run, or nothing newer than what is published.",
  ],
  [
    "is on",
    { run: run("r", 9, { state: "running" }) },
    "info",
    "This run has not published anything yet.",
  ],
])
  test(`a run that ${name} says so`, () => assert.deepEqual(verdict.runHeadline(given), { level, text }));

test("the sentence of changes names each kind that occurred", () => {
  const changes = { added: 12, returned: 1, changed: 41, reshaped: 2, removed: 3, missing: 4 };
  assert.equal(
    verdict.changeSentence(latest({ changes })),
    "Since the run before: 12 added, 1 returned, 41 changed, 2 in a new shape, 3 removed and 4 missing but not removed.",
  );
  assert.equal(verdict.changeSentence(latest(), "Published then"), "Published then: nothing changed.");
  assert.equal(
    verdict.changeSentence(latest({ base_sync_id: null, changes: { added: 1 } })),
    "The first load: 1 entry added.",
  );
});

test("a question leads to its answer, also of a mapped task", () => {
  const instance = { dag_id: "directory_sync", dag_run_id: "a/b", task_id: "approve_removals", map_index: -1 };
  const [found] = notices({ waiting: [{ subject: "Remove 5?", task_instance: instance }] });
  assert.deepEqual(found, {
    level: "warning",
    text: "Remove 5? The run waits for your answer.",
    to: "/dags/directory_sync/runs/a%2Fb/tasks/approve_removals/required_actions",
    action: "Decide",
  });
  assert.match(verdict.taskPath({ ...instance, map_index: 2 }), /\/tasks\/approve_removals\/mapped\/2$/);
});

test("held removals are a notice of their own only where it is known that nobody is asked", () => {
  assert.equal(notices({ latest: latest({ held: 3 }) })[0].action, "Open the Dag");
  assert.deepEqual(notices({ latest: latest({ held: 3 }), waiting: null }), []);
});

test("a failed run names the tasks that failed and leads to the first one's log", () => {
  const runs = [run("r", 9, { state: "failed" })];
  const broken = (task_id) => ({ dag_id: "directory_sync", dag_run_id: "r", task_id, map_index: -1, state: "failed" });
  const tasks = [broken("audit"), broken("notify"), { ...broken("audit"), dag_run_id: "another" }];
  const [found] = notices({ runs, tasks });
  assert.equal(found.text, "The run of 3 hours ago failed in audit and notify.");
  assert.equal(found.to, "/dags/directory_sync/runs/r/tasks/audit");
  assert.equal(notices({ runs })[0].to, "/dags/directory_sync/runs/r");
});

test("errors, drift, a pause and a run that is on are told in the order of their weight", () => {
  const findings = [
    { rule: "fields", level: "warning", message: "`a` is new." },
    { rule: "total", level: "error", message: "The total differs." },
  ];
  const found = notices({
    dag: { ...DAG, is_paused: true },
    latest: latest({ findings }),
    runs: [run("r", 11, { state: "running" })],
  });
  assert.deepEqual(found.map(({ level, text }) => [level, text]), [
    ["error", "The total differs."],
    ["warning", "The schema drifted. `a` is new."],
    ["warning", "The Dag is paused: no run will start by itself."],
    ["info", "A run is active; it started 60 minutes ago."],
  ]);
});
