// The buttons, the card Who, the SQL, the drift and the line on proof and time: what they say, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, charts, event, publication, shape } from "./page.js";

const [actions, details, drift, queries, who] = await Promise.all(
  ["actions", "details", "drift", "queries", "who"].map(
    (name) => import(new URL(`../../plugins/directory_sync/ui/static/${name}.js`, import.meta.url)),
  ),
);

const buttons = (state) => actions.buttonsFor(state).map((button) => button.text);

test("Ask again is offered where removals are held and nobody is asked", () => {
  assert.deepEqual(buttons({ held: 0, isWaiting: false }), ["Dry run", "Run now"]);
  assert.deepEqual(buttons({ held: 3, isWaiting: false }), ["Ask again", "Dry run", "Run now"]);
  assert.deepEqual(buttons({ held: 3, isWaiting: true }), ["Dry run", "Run now"]);
});

test("only a run that publishes is confirmed first", () => {
  const confirmed = actions.buttonsFor({ held: 1, isWaiting: false }).filter((button) => button.confirm);
  assert.deepEqual(
    confirmed.map((button) => button.mode),
    ["sync"],
  );
});

test("a run that was not started is said not to be, and one that may have been is looked for", () => {
  for (const status of [401, 403, 409, 422, 500]) assert.match(actions.refusal({ status }), /Nothing was started\./);
  for (const status of [0, undefined]) assert.match(actions.refusal({ status }), /list of runs/);
});

test("what became of a run is said in its own words", () => {
  const said = (mode, state, isPaused = false) => actions.progress({ isPaused, mode, run: { state } });
  assert.deepEqual(said("dry_run", "running"), { level: "info", text: "The dry run is under way." });
  assert.deepEqual(said("decide", "queued"), { level: "info", text: "The run that asks is queued." });
  assert.deepEqual(said("sync", "failed"), { level: "error", text: "The run failed." });
  assert.deepEqual(said("sync", "success"), { level: "ok", text: "The run has ended." });
  assert.equal(said("sync", "queued", true).level, "warning");
  assert.match(said("sync", "queued", true).text, /the Dag is paused/);
});

const item = (id, label = `Airport ${id}`) => ({ id: String(id), label });

test("an approved removal is named with its run", () => {
  const own = { who: { joined: [item(1)], left: [], changed: [] } };
  const removal = { who: { joined: [], left: [item(2), item(3)], changed: [] } };
  const found = who.mergedWho([own, removal]);
  assert.deepEqual([found.joined, found.left], [[item(1)], [item(2), item(3)]]);
  assert.deepEqual([found.isBare, found.why], [false, null]);
});

test("at most ten are named, and no more if a removal follows", () => {
  const many = { who: { joined: [], left: Array.from({ length: 8 }, (_, n) => item(n)), changed: [] } };
  assert.equal(who.mergedWho([many, many]).left.length, 10);
});

test("where nobody can be named it is said why", () => {
  const found = who.mergedWho([{ who: null, why: "The API server does not see it." }]);
  assert.deepEqual([found.joined, found.isBare, found.why], [[], false, "The API server does not see it."]);
});

test("without a label there are ids alone", () => {
  assert.equal(who.mergedWho([{ who: { joined: [item(1, null)], left: [], changed: [] } }]).isBare, true);
});

test("who returned has joined", () => {
  const changes = { added: 2, returned: 1, removed: 4, changed: 5, missing: 6, reshaped: 7 };
  assert.deepEqual(who.countsOf(publication({ changes })), { joined: 3, left: 4, changed: 5 });
});

test("a query names the schema, and quotes what is no plain name", () => {
  assert.equal(
    queries.changesQuery(publication({ dataset: "directory" })),
    "SELECT * FROM directory.people_changes WHERE sync_id = 'sync-1'",
  );
  assert.equal(queries.tableOf({ dataset: 'My "own"' }, "people"), '"My ""own""".people');
  assert.equal(queries.tableOf({ dataset: null }, "people"), "people");
});

test("a run with a removal that was approved later is queried as one", () => {
  const [report] = shape.publications(
    [
      event({ dataset: "directory", id: 1, runId: "r" }),
      event({ dataset: "directory", id: 2, mode: "decide", runId: "r", sync_id: "sync-1-removal" }),
    ],
    null,
  );
  assert.match(queries.whoQueries(report).left, /sync_id IN \('sync-1', 'sync-1-removal'\) AND kind IN \('removed'\)/);
});

test("drift names the column that is new and the one that is NULL", () => {
  const report = publication({ new_columns: { "home.port": "home__port" }, null_columns: { fax: "fax" } });
  assert.deepEqual(drift.driftWords(report), [
    "New in the table: `home__port` (field `home.port`).",
    "NULL from now on: `fax`. Entries that left before keep their value, and so does the change log.",
  ]);
  assert.deepEqual(drift.driftWords(publication()), []);
});

const TIMES = [
  { runId: "run-8", total: 20, extract: 10 },
  { runId: "run-9", total: 22, extract: 11 },
  { runId: "run-1", total: 30, extract: 15 },
];

test("proof and time stand in one line, with the usual time", () => {
  const report = publication({ joints: 41, requests: 45, windows: 42 });
  assert.equal(
    details.proofLine(report, TIMES),
    "Proven complete: 42 windows, 41 joints, 45 requests; took 30.0 s, usually 21.0 s.",
  );
  assert.equal(details.proofLine(report, []), "Proven complete: 42 windows, 41 joints, 45 requests.");
  assert.match(details.proofLine(publication({ proof: "walk" }), []), /^Not proven/);
});

test("where requests were refused the setting that helps is named", () => {
  const given = { directory: "partners_api/partners_sync", refused: 12, requests: 300 };
  const hint = details.refusedHint(publication(given), TIMES);
  assert.match(hint, /refused 12 of 300 requests as too many \(429\)/);
  assert.match(hint, /requests_per_second in the extra of the connection partners_api/);
  assert.match(hint, /about 20 a second/);
  assert.equal(details.refusedHint(publication({ refused: 0 }), TIMES), null);
});

test("a failed night leaves a gap in the line, an interval run none", () => {
  const published = { entries: 5, failed: 0 };
  const failed = { entries: null, failed: 1 };
  const interval = { entries: null, failed: 0, isInterval: true };
  assert.deepEqual(charts.linePieces([published, published, failed, published]), [[0, 1], [3]]);
  assert.deepEqual(charts.linePieces([published, interval, published]), [[0, 2]]);
  assert.deepEqual(charts.linePieces([failed, published]), [[1]]);
});

test("several runs of a day are told apart by the hour", () => {
  const points = [at(2), at(9, 30), at(14)].map((iso) => ({ at: iso }));
  const [first, ...others] = charts.axisTexts(points, 1);
  assert.match(first, /Mar/);
  for (const text of others) assert.match(text, /^\d\d:\d\d$/);
  assert.equal(new Set(others).size, 2);
  const nights = [{ at: "2026-03-01T02:00:00Z" }, { at: "2026-03-02T02:00:00Z" }];
  assert.equal(new Set(charts.axisTexts(nights, 1)).size, 2);
  for (const text of charts.axisTexts(nights, 1)) assert.match(text, /Mar/);
});
