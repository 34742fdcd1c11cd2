// What Airflow answers -> what the page shows.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, event, run, shape } from "./page.js";

const dag = (dagId) => ({ dag_id: dagId });
const asset = (id, name, dagId, task = "publish") => ({
  id,
  name,
  producing_tasks: [{ dag_id: dagId, task_id: task }],
});
const chosen = (found) => found.map(({ dagId, resource, assetId }) => [dagId, resource, assetId]);

test("two directories of two resources are four sources, each with its own asset", () => {
  const found = shape.sources(
    [dag("directory_sync"), dag("partners_sync")],
    [
      asset(1, "people", "directory_sync"),
      asset(2, "teams", "directory_sync", "teams.publish"),
      asset(3, "partners.people", "partners_sync"),
      asset(4, "partners.teams", "partners_sync", "teams.publish"),
    ],
  );
  assert.deepEqual(chosen(found), [
    ["directory_sync", "people", 1],
    ["directory_sync", "teams", 2],
    ["partners_sync", "people", 3],
    ["partners_sync", "teams", 4],
  ]);
});

test("what another task writes is no source, and a Dag without known assets stands for itself", () => {
  const others = [asset(1, "people", "directory_sync", "republish"), asset(2, "people", "another_dag")];
  assert.deepEqual(chosen(shape.sources([dag("directory_sync")], others)), [["directory_sync", null, null]]);
  assert.deepEqual(chosen(shape.sources([dag("directory_sync")], null)), [["directory_sync", null, null]]);
});

test("an event is a report where it has a resource, a count and its changes", () => {
  const broken = [
    { extra: null },
    { extra: [] },
    { extra: "text" },
    { extra: { resource: "people", entries: "many", changes: {} } },
    { extra: { resource: "people", entries: 1, changes: [] } },
    { extra: { resource: 7, entries: 1, changes: {} } },
  ].map((one) => ({ ...event(), ...one }));
  for (const one of [undefined, ...broken, { ...event(), timestamp: "yesterday" }])
    assert.equal(shape.reportOf(one), null);
});

test("a count that is no number is 0, and a kind of change that is not told is 0", () => {
  const report = shape.reportOf(event({ held: "x", requests: Infinity, changes: { added: 3, changed: null } }));
  assert.deepEqual([report.held, report.requests, report.joints], [0, 0, 0]);
  assert.deepEqual(report.changes, { added: 3, changed: 0, reshaped: 0, missing: 0, removed: 0, returned: 0 });
});

test("a finding without a message is left out", () => {
  const findings = [{ rule: "fields", level: "warning", message: "It drifted." }, { rule: "fields" }, null, "x"];
  assert.deepEqual(shape.reportOf(event({ findings })).findings, [findings[0]]);
  assert.deepEqual(shape.reportOf(event({ findings: "none" })).findings, []);
});

test("a decision is added to its run: the sum of the changes, the last word on the counts", () => {
  const events = [
    event({ id: 2, runId: "night", sync_id: "b", mode: "decide", entries: 90, held: 0, changes: { removed: 10 } }),
    event({ id: 1, runId: "night", sync_id: "a", entries: 100, held: 10, changes: { added: 2, removed: 1 } }),
  ];
  const [only, ...more] = shape.publications(events, "people");
  assert.deepEqual(more, []);
  assert.deepEqual([only.entries, only.held, only.changes.added, only.changes.removed], [90, 0, 2, 11]);
});

test("a publication told twice counts once", () => {
  const events = [1, 2].map((id) => event({ id, runId: "night", sync_id: "a", changes: { added: 2 } }));
  assert.equal(shape.publications(events, "people")[0].changes.added, 2);
});

test("another resource's publications are left out", () => {
  const events = [event({ id: 1 }), event({ id: 2, resource: "teams", entries: 7 })];
  assert.deepEqual(shape.publications(events, "teams").map((report) => report.entries), [7]);
  assert.equal(shape.publications(events, null).length, 2);
});

test("points are publications and failed runs by time; a run that failed after publishing is one point", () => {
  const published = shape.publications([event({ id: 1 }), event({ id: 3 })], null);
  const failed = [run("run-3", 3, { state: "failed" }), run("run-2", 2, { state: "failed" })];
  assert.deepEqual(
    shape.points(published, failed).map((point) => [point.runId, point.entries, point.failed]),
    [
      ["run-1", 100, 0],
      ["run-2", null, 1],
      ["run-3", 100, 1],
    ],
  );
  assert.equal(shape.points(published, failed, { since: at(2, 30) }).length, 2);
});

test("an interval run has no count of entries", () => {
  const [point] = shape.points(shape.publications([event({ mode: "interval", entries: 6 })], null), []);
  assert.deepEqual([point.entries, point.isInterval], [null, true]);
});

test("too many points become neighbours' sums, and no change is lost", () => {
  const all = Array.from({ length: 95 }, (_, n) => ({
    ...{ runId: `r${n}`, at: at(n % 24), entries: n === 94 ? null : n, runs: 1 },
    ...{ added: n, changed: 1, removed: 0, failed: n % 2 },
  }));
  const found = shape.bucketed(all, 90);
  const sum = (points, key) => points.reduce((total, point) => total + point[key], 0);
  assert.ok(found.length <= 90);
  for (const key of ["added", "changed", "removed", "failed", "runs"]) assert.equal(sum(found, key), sum(all, key));
  assert.deepEqual([found.at(-1).entries, found.at(-1).runId], [93, "r94"]);
  assert.equal(shape.bucketed(all, 95), all);
});

test("a first load does not flatten the nights after it", () => {
  assert.equal(shape.scaleTop([100_000, 30, 80, 0, 55]), 80);
  assert.equal(shape.scaleTop([]), 1);
  assert.equal(shape.scaleTop([100_000]), 100_000);
});

test("ticks are round, span the range and are few", () => {
  assert.deepEqual(shape.ticks(0, 3), [0, 1, 2, 3]);
  assert.deepEqual(shape.ticks(99_500, 100_400), [99_500, 100_000, 100_500]);
  for (let high = 1; high < 2_000; high += 7) {
    const found = shape.ticks(0, high);
    assert.ok(found[0] <= 0 && found.at(-1) >= high, `${high}: ${found}`);
    assert.ok(found.length >= 2 && found.length <= 5, `${high}: ${found}`);
  }
});

test("the median passes over what is not known", () => {
  assert.equal(shape.median([]), null);
  assert.equal(shape.median([null, 10, 2]), 6);
  assert.equal(shape.median([9, 100, 10]), 10);
  assert.deepEqual(shape.trend([1, null, 3, 8]), { last: 8, usual: 2, values: [1, 3, 8] });
  assert.deepEqual(shape.trend([]), { last: null, usual: null, values: [] });
});

const task = (taskId, from, to, rest = {}) => ({
  ...{ dag_run_id: "r", task_id: taskId, operator: "x" },
  ...{ start_date: at(0, from), end_date: to === null ? null : at(0, to), ...rest },
});
const timesOf = (tasks, resource) => shape.stageTimes([run("r", 0)], tasks, resource)[0];

test("the stages of a further resource stand in its group", () => {
  const tasks = [
    ...[task("extract.a", 0, 9), task("audit", 9, 12), task("b.extract.a", 0, 20)],
    ...[task("b.extract.c", 5, 30), task("b.audit", 30, 31)],
  ];
  const [ofFirst, ofSecond] = ["a", "b"].map((resource) => timesOf(tasks, resource));
  assert.deepEqual([ofFirst.extract, ofFirst.audit, ofFirst.publish], [540, 180, null]);
  assert.deepEqual([ofSecond.extract, ofSecond.audit, ofSecond.publish], [1800, 60, null]);
});

test("a stage that has not ended, or that ran nothing, has no time", () => {
  const tasks = [
    ...[task("extract.a", 0, 9), task("extract.b", 0, null)],
    ...[task("audit", 9, 12, { operator: "EmptyOperator" }), task("notify", 12, 13)],
  ];
  const times = timesOf(tasks, "a");
  assert.deepEqual([times.extract, times.audit, times.total], [null, null, 1800]);
});

test("throughput is entries by the seconds of the extraction", () => {
  const times = [timesOf([task("extract.a", 0, 1)], "a"), timesOf([], "a")];
  assert.deepEqual(shape.throughput(times, shape.publications([event({ runId: "r", entries: 600 })], null)), [
    10,
    null,
  ]);
  assert.deepEqual(shape.throughput(times, []), [null, null]);
});

test("the schedule's interval is told by the Dag, else by its runs; no schedule has none", () => {
  const told = { next_dagrun_data_interval_start: at(1), next_dagrun_data_interval_end: at(3) };
  assert.equal(shape.scheduleSeconds(told, []), 7_200);
  const runs = [run("c", 9), run("a", 1), run("b", 5), run("by hand", 6, { run_type: "manual" })];
  assert.equal(shape.scheduleSeconds({ timetable_periodic: true }, runs), 4 * 3_600);
  assert.equal(shape.scheduleSeconds({ timetable_periodic: false }, runs), null);
});

test("drifts are the findings about fields, the newest first", () => {
  const drift = (message) => ({ rule: "fields", level: "warning", message });
  const other = { rule: "total", level: "error", message: "n" };
  const published = shape.publications(
    [event({ id: 1, findings: [drift("a"), other] }), event({ id: 2, findings: [drift("b")] })],
    null,
  );
  assert.deepEqual(shape.drifts(published).map((found) => [found.message, found.report.runId]), [
    ["b", "run-2"],
    ["a", "run-1"],
  ]);
});
