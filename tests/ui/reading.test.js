// The requests to Airflow's API: their queries, their pages, and what a failed one is called.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { charts, directory, reading, run } from "./page.js";

const usual = globalThis.fetch;
let asked;

/** Airflow answers what `answer` returns; a number is a status, null is no answer. */
function serve(answer) {
  globalThis.fetch = async (url, options) => {
    asked.push({ url, ...options });
    const found = answer(url, JSON.parse(options.body ?? "null"));
    if (found === null) throw new TypeError("no connection");
    return typeof found === "number" ? { ok: false, status: found } : { ok: true, json: async () => found };
  };
}

beforeEach(() => {
  asked = [];
  globalThis.document = { baseURI: "https://airflow.example.org/below/" };
});

afterEach(() => {
  delete globalThis.localStorage;
  globalThis.fetch = usual;
  delete globalThis.document;
});

const page = (key, all) => (url) => {
  const [offset, limit] = ["offset", "limit"].map((name) => Number(url.searchParams.get(name)));
  return { [key]: all.slice(offset, offset + limit), total_entries: all.length };
};
const events = (number) => Array.from({ length: number }, (_, n) => ({ id: n + 1 }));
const one = { dagId: "directory_sync", assetId: 7, runId: null, most: 1_000, known: null };

test("Airflow may be served below a path", async () => {
  serve(page("dags", [{ dag_id: "directory_sync" }]));
  await reading.readDags();
  assert.match(String(asked[0].url), /^https:\/\/airflow\.example\.org\/below\/api\/v2\/dags\?/);
  assert.deepEqual(asked[0].url.searchParams.getAll("tags"), ["directory", "dlt"]);
});

test("all pages of the publications are read, and of one asset alone", async () => {
  serve(page("asset_events", events(250)));
  const found = await reading.readEvents(one);
  assert.deepEqual([found.events.length, found.total, asked.length], [250, 250, 3]);
  assert.deepEqual(new Set(asked.map(({ url }) => url.searchParams.get("asset_id"))), new Set(["7"]));
});

test("no more publications are read than are wanted", async () => {
  serve(page("asset_events", events(950)));
  const found = await reading.readEvents({ ...one, most: 200 });
  assert.deepEqual([found.events.length, found.total], [200, 950]);
});

test("what is known is not read again, and what is new is added", async () => {
  serve(page("asset_events", events(250)));
  const known = await reading.readEvents(one);
  asked = [];
  serve(page("asset_events", [{ id: 999 }, ...events(250)]));
  const found = await reading.readEvents({ ...one, known });
  assert.deepEqual([found.events.length, asked.length], [251, 1]);
});

test("the tasks of a run that has ended are asked for once", async () => {
  const runs = [run("old", 1), run("on", 2, { state: "running", end_date: null })];
  const taskOf = (runId) => ({ dag_run_id: runId, task_id: "audit" });
  serve((_, body) => ({ task_instances: body.dag_run_ids.map(taskOf), total_entries: body.dag_run_ids.length }));
  const known = await reading.readTasks({ dagId: "directory_sync", runs, known: null });
  const found = await reading.readTasks({ dagId: "directory_sync", runs, known });
  assert.deepEqual(asked.map(({ body }) => JSON.parse(body).dag_run_ids), [["old", "on"], ["on"]]);
  assert.deepEqual(found.tasks, [taskOf("old"), taskOf("on")]);
});

test("a cleared run's tasks are asked for again", async () => {
  serve((_, body) => ({ task_instances: [], total_entries: body.dag_run_ids.length - 1 }));
  const known = await reading.readTasks({ dagId: "directory_sync", runs: [run("old", 1)], known: null });
  const cleared = run("old", 1, { end_date: "2026-03-01T09:00:00Z" });
  await reading.readTasks({ dagId: "directory_sync", runs: [cleared], known });
  assert.equal(asked.length, 2);
});

test("a run's id is one part of the path, whatever it holds", async () => {
  serve(() => ({}));
  await reading.readRun({ dagId: "directory_sync", runId: "manual__2026-03-01T00:00:00+00:00/x" });
  assert.match(asked[0].url.pathname, /\/dagRuns\/manual__2026-03-01T00%3A00%3A00%2B00%3A00%2Fx$/);
});

test("a question without a task is left out", async () => {
  serve(() => ({ hitl_details: [{ task_instance: { task_id: "a" } }, {}, null] }));
  assert.equal((await reading.readWaiting("directory_sync")).length, 1);
});

for (const [answer, sentence, isFinal] of [
  [401, "You are not logged in any more, so the runs cannot be read. Reload the page to log in.", true],
  [403, "You have no right to read the runs in this Airflow (403).", true],
  [404, "Airflow does not know the runs (404).", true],
  [503, "Airflow failed when asked for the runs (503). It is asked again.", false],
  [null, "Airflow did not answer when asked for the runs. It is asked again.", false],
])
  test(`an answer of ${answer} is told, and ${isFinal ? "not " : ""}asked for again`, async () => {
    serve(() => answer);
    const error = await reading.readRuns({ dagId: "directory_sync", most: 30 }).catch((told) => told);
    assert.equal(reading.problem(error, "the runs"), sentence);
    assert.equal(error.isFinal, isFinal);
  });

test("an answer that is not understood is told as such", () => {
  const sentence = "Airflow's answer when asked for the runs has an unknown form.";
  assert.equal(reading.problem(new TypeError("x"), "the runs"), sentence);
});

test("a request that is given up is no failure of Airflow's", async () => {
  const control = new AbortController();
  serve(() => null);
  control.abort();
  const told = reading.readRuns({ dagId: "directory_sync", most: 30 }, control.signal);
  await assert.rejects(told, { name: "TypeError", message: "no connection" });
});

test("a source is named by its Dag and its resource", () => {
  const keys = [
    { dagId: "a", resource: "b" },
    { dagId: "a", resource: null },
    { dagId: "b", resource: "b" },
  ].map(directory.keyOf);
  assert.equal(new Set(keys).size, 3);
});

test("a point of a chart is told in words", () => {
  globalThis.localStorage = { getItem: () => JSON.stringify("UTC") };
  const point = {
    ...{ runs: 1, at: "2026-03-01T02:00:00Z", entries: 1_000, added: 1, changed: 2, removed: 3, failed: 0 },
  };
  assert.equal(
    charts.pointText(point),
    "2026-03-01 02:00: 1,000 entries, 1 added, 2 changed, 3 removed",
  );
  assert.equal(
    charts.pointText({ ...point, entries: null, failed: 1 }),
    "2026-03-01 02:00: failed, nothing published",
  );
  assert.equal(
    charts.pointText({ ...point, runs: 3, failed: 2, since: "2026-02-27T02:00:00Z" }),
    "3 runs, 2026-02-27 02:00 to 2026-03-01 02:00: 1,000 entries, 1 added, 2 changed, 3 removed, 2 failed",
  );
  assert.match(charts.pointText({ ...point, entries: null, isInterval: true }), /: an interval, 1 added/);
  delete globalThis.localStorage;
});

test("a token that does not help is not asked with again", async () => {
  globalThis.localStorage = { getItem: (name) => (name === "token" ? "of an older Airflow" : null) };
  serve(() => 401);
  await assert.rejects(reading.readRun({ dagId: "d", runId: "r" }), { status: 401 });
  await assert.rejects(reading.readRun({ dagId: "d", runId: "r" }), { status: 401 });
  assert.deepEqual(asked.map(({ headers }) => "Authorization" in headers), [false, true, false, true]);
});

test("where Airflow takes no cookie, the token of its interface is sent", async () => {
  globalThis.localStorage = { getItem: (name) => (name === "token" ? "of the login" : null) };
  globalThis.fetch = async (url, options) => {
    asked.push(options.headers.Authorization);
    const ok = options.headers.Authorization === "Bearer of the login";
    return { json: async () => run("r", 1), ok, status: ok ? 200 : 401 };
  };
  for (let times = 0; times < 2; times += 1)
    assert.equal((await reading.readRun({ dagId: "d", runId: "r" })).dag_run_id, "r");
  assert.deepEqual(asked, [undefined, "Bearer of the login", "Bearer of the login"]);
});
