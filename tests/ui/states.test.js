// The table of states: a test for each row, and what comes before what.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, publication, run, said, standing, states, task, verdict } from "./page.js";

const NOW = new Date(at(12));
const DAG = {
  dag_id: "directory_sync",
  is_paused: false,
  max_active_runs: 1,
  timetable_periodic: true,
  next_dagrun_data_interval_start: "2026-03-01T08:00:00Z",
  next_dagrun_data_interval_end: "2026-03-02T08:00:00Z",
  next_dagrun_run_after: "2026-03-02T08:00:00Z",
};
globalThis.localStorage = { getItem: () => JSON.stringify("UTC") };

const NOTHING = { dag: DAG, runs: [], tasks: [], latest: null, waiting: [], said: null, resource: "people", now: NOW };
const tell = (given) => verdict.tell({ ...NOTHING, ...given });
const headline = (given) => {
  const { name, level, text, action } = tell(given).headline;
  return { name, level, text, ...(action && { to: action.to }) };
};
const texts = (given) => tell(given).notices.map((one) => one.text);
const latest = (given = {}) => publication({ id: 8, snapshot_at: at(8), ...given });
const question = (runId, rest = {}) => ({
  subject: "Remove 5 of 100 entries from people?",
  task_instance: task(runId, "approve_removals", "awaiting_input"),
  ...rest,
});
const OWN = "/dags/directory_sync/runs/";

test("the states stand in the order that the issue names", () => {
  assert.deepEqual(
    states.STATES.filter((state) => !state.isNotice).map((state) => state.name),
    [
      ...["waits for you", "removal pending", "failed", "retrying", "rejected", "running", "a run waits"],
      ...["late", "not proven", "complete", "nothing published"],
    ],
  );
});

test("a question waits for you, until when, and leads to its answer", () => {
  const asked = question("a/b");
  assert.deepEqual(
    headline({
      latest: latest({ held: 5 }),
      runs: [run("a/b", 8, { state: "running", end_date: null })],
      said: said([[asked.task_instance, "directory_question", { until: "2026-03-02T04:00:00Z" }]]),
      tasks: [task("a/b", "publish"), asked.task_instance],
      waiting: [asked],
    }),
    {
      name: "waits for you",
      level: "warning",
      text: "Waits for you until 2 Mar, 04:00: Remove 5 of 100 entries from people?",
      to: `${OWN}a%2Fb/tasks/approve_removals/required_actions`,
    },
  );
});

test("who may not read what the tasks left is told of a question without its end", () => {
  assert.match(headline({ waiting: [question("r")] }).text, /^Waits for you: Remove 5/);
  assert.match(headline({ waiting: [question("r", { subject: "" })] }).text, /A decision is needed\.$/);
});

test("who may not read the questions is told that one waits, by its task", () => {
  const tasks = [task("r", "publish"), task("r", "approve_removals", "awaiting_input"), task("r", "remove", null)];
  const found = headline({ latest: latest({ held: 5 }), runs: [run("r", 8, { state: "running" })], tasks, waiting: null });
  assert.equal(found.text, "Waits for you: A decision is needed.");
});

test("a question of another resource of the Dag is not this one's", () => {
  const asked = question("r");
  asked.task_instance.task_id = "teams.approve_removals";
  assert.equal(headline({ latest: latest(), waiting: [asked] }).name, "complete");
  assert.equal(headline({ latest: latest(), resource: "teams", waiting: [asked] }).name, "waits for you");
});

const approval = (state, rest = {}) => {
  const tasks = [task("run-8", "publish"), task("run-8", "approve_removals"), task("run-8", "remove", state, rest)];
  return { latest: latest({ held: 5 }), runs: [run("run-8", 8, { state: "running", end_date: null })], tasks };
};

for (const [why, given, extra] of [
  ["the pool `default_pool` has no slot", approval("scheduled"), { pools: { default_pool: { slots: 0, open_slots: 0 } } }],
  [
    "all 4 slots of the pool `default_pool` are taken",
    approval("scheduled"),
    { pools: { default_pool: { slots: 4, open_slots: 0 } } },
  ],
  ["no worker is free yet", approval("queued"), {}],
  ["it is being carried out", approval("running"), {}],
  ["its task has not started yet", approval(null), {}],
  ["the Dag is paused", { ...approval("scheduled"), dag: { ...DAG, is_paused: true } }, {}],
])
  test(`an approved removal is pending, because ${why}`, () => {
    const decision = { choice: "approved", by: "anna", at: at(9, 30), reason: "Confirmed" };
    const found = headline({ ...given, said: said([[given.tasks[1], "directory_decision", decision]], extra) });
    assert.equal(found.name, "removal pending");
    assert.equal(found.level, "warning");
    assert.equal(found.text, `Approved by anna at 09:30 (“Confirmed”), the removal is pending: ${why}.`);
  });

test("an approval that its task has not taken yet is one, and says by whom", () => {
  const given = approval(null);
  given.tasks[1].state = "scheduled";
  const answer = { chosen_options: ["Approve"], params_input: {}, responded_at: at(9), responded_by_user: { name: "anna" } };
  const pools = { default_pool: { slots: 0, open_slots: 0 } };
  assert.equal(
    headline({ ...given, said: said([], { answers: { "run-8": answer }, pools }) }).text,
    "Approved by anna at 09:00, the removal is pending: the pool `default_pool` has no slot.",
  );
  assert.equal(
    headline({ ...given, said: said([], { answers: { "run-8": { ...answer, chosen_options: ["Reject"] } }, pools }) }).name,
    "a run waits",
  );
});

test("an approved removal that failed says its cause and leads to its log", () => {
  const given = approval("failed");
  const found = headline({
    ...given,
    runs: [run("run-8", 8, { state: "failed" })],
    said: said([[given.tasks[2], "directory_cause", "The approval is stale: 4 are held. Nothing was removed."]]),
  });
  assert.equal(found.text, "Approved, the removal is pending: The approval is stale: 4 are held.");
  assert.deepEqual([found.level, found.to], ["error", `${OWN}run-8/tasks/remove`]);
});

test("a removal that is tried again says when", () => {
  const given = approval("up_for_retry");
  const retry = { cause: "The warehouse is locked.", try: 2, tries: 4, next_at: at(12, 12) };
  assert.equal(
    headline({ ...given, said: said([[given.tasks[2], "directory_retry", retry]]) }).text,
    "Approved, the removal is pending: it is tried again (2 of 4, next at 12:12): The warehouse is locked.",
  );
});

const FAILED = {
  latest: latest({ snapshot_at: at(2), timestamp: at(2) }),
  runs: [run("run-8", 2), run("r", 9, { state: "failed" })],
  tasks: [task("r", "extract.shard_0", "failed"), task("r", "extract.shard_1", "failed"), task("r", "audit", "upstream_failed")],
};

test("a failed run says its cause in one sentence, once, and leads to its log", () => {
  const cause = "GET /v1/people was answered with 403. Nothing was published. Ask for the right.";
  const left = said(FAILED.tasks.slice(0, 2).map((one) => [one, "directory_cause", cause]));
  const found = tell({ ...FAILED, said: left });
  assert.deepEqual([found.headline.name, found.headline.level], ["failed", "error"]);
  assert.equal(found.headline.text, "The run of 3 hours ago failed: GET /v1/people was answered with 403.");
  assert.equal(
    found.headline.detail,
    "Nothing was published. Ask for the right. The warehouse holds all 100 entries, read 10 hours ago.",
  );
  assert.equal(found.headline.action.to, `${OWN}r/tasks/extract.shard_0`);
  assert.deepEqual(found.notices, []);
});

test("without what the tasks left, the run's note says the cause; without a note, the tasks that failed", () => {
  const note = "✖ **`extract.shard_0` failed.** AccessDeniedError: The API answered 403; 12 s\n\n✎ nightly";
  const [done, broken] = FAILED.runs;
  assert.equal(
    headline({ ...FAILED, runs: [done, { ...broken, note }] }).text,
    "The run of 3 hours ago failed: AccessDeniedError: The API answered 403",
  );
  assert.equal(headline(FAILED).text, "The run of 3 hours ago failed in `extract.shard_0` and `extract.shard_1`.");
  assert.equal(headline({ ...FAILED, tasks: null }).text, "The run of 3 hours ago failed.");
});

test("a first run that failed says that nothing is published", () => {
  const { headline: found } = tell({ runs: [run("r", 9, { state: "failed" })] });
  assert.deepEqual([found.name, found.detail], ["failed", "Nothing is published yet."]);
});

test("a failed run that a later publication has overtaken is not told of, by order or by time", () => {
  const later = latest({ id: 10, snapshot_at: at(10), timestamp: at(10, 5) });
  for (const runs of [FAILED.runs, [run("r", 9, { state: "failed", end_date: at(11) })]]) {
    const found = tell({ ...FAILED, latest: later, runs });
    assert.deepEqual([found.headline.name, found.headline.level, found.notices], ["complete", "ok", []]);
  }
});

test("neither a decision nor an interval overtakes a failed run", () => {
  for (const mode of ["decide", "interval"]) {
    const later = publication({ id: 11, mode, runId: "other", timestamp: at(11) });
    assert.equal(headline({ ...FAILED, published: [FAILED.latest, later] }).name, "failed");
  }
});

test("a failed dry run does not make the directory red", () => {
  const runs = [run("run-8", 8), run("dry", 9, { conf: { mode: "dry_run" }, state: "failed" })];
  const given = { latest: latest(), runs, tasks: [task("dry", "audit", "failed")] };
  assert.deepEqual([headline(given).name, headline(given).level], ["complete", "ok"]);
  assert.deepEqual(texts(given), ["The dry run of 3 hours ago failed in `audit`."]);
});

test("a task that failed after the publication leaves the directory complete", () => {
  const given = {
    latest: latest(),
    runs: [run("run-8", 8, { state: "failed" })],
    tasks: [task("run-8", "publish"), task("run-8", "mail", "failed")],
  };
  assert.deepEqual(headline(given), {
    name: "complete",
    level: "warning",
    text: "Complete: all 100 entries, read 4 hours ago; a later task of the run failed.",
  });
  assert.deepEqual(texts(given), ["The run of 4 hours ago failed after its publication in `mail`."]);
});

test("a failure of another resource of the run is none of this one", () => {
  const tasks = [task("r", "people.audit"), task("r", "teams.audit", "failed")];
  const given = { ...FAILED, tasks };
  assert.equal(headline(given).name, "complete");
  assert.equal(headline({ ...given, resource: "teams" }).name, "failed");
});

for (const [name, retry, text] of [
  [
    "by tries",
    { cause: "The API answered 503. It is asked again.", try: 2, tries: 4, next_at: at(12, 12) },
    "Retrying (2 of 4, next at 12:12): The API answered 503.",
  ],
  [
    "by time",
    { cause: "The API answered 503.", try: 3, tries: null, next_at: at(12, 12), until: at(20) },
    "Retrying (try 3, next at 12:12, until 20:00): The API answered 503.",
  ],
  ["unknown", null, "Retrying: `extract.shard_0` failed and is tried again."],
])
  test(`a run that is tried again, ${name}, says so`, () => {
    const tasks = [task("r", "extract.shard_0", "up_for_retry"), task("r", "extract.shard_1")];
    const found = headline({
      latest: latest(),
      runs: [run("run-8", 8), run("r", 11, { state: "running", end_date: null })],
      said: said(retry ? [[tasks[0], "directory_retry", retry]] : []),
      tasks,
    });
    assert.deepEqual(found, { name: "retrying", level: "warning", text, to: `${OWN}r/tasks/extract.shard_0` });
  });

for (const [name, decision, text, rest] of [
  [
    "rejected",
    { choice: "rejected", by: "anna", at: at(9, 30), reason: "Rights were lost", asksAgainAt: "2026-03-08T08:00:00Z" },
    "Rejected by anna at 09:30 (“Rights were lost”): 3 removals are held.",
    "You are asked again at the first run after 8 Mar, 08:00, or when more go missing. ",
  ],
  [
    "unanswered",
    { choice: "unanswered", by: "", at: at(9), reason: "", asksAgainAt: null },
    "Nobody decided in time at 09:00: 3 removals are held.",
    "You are asked again when more go missing. ",
  ],
  ["not known", null, "3 removals are held; nobody is asked at present.", ""],
])
  test(`held removals whose answer is ${name} say so`, () => {
    const given = { latest: latest({ held: 3 }), runs: [run("run-8", 8)], said: said([], { decision }) };
    assert.deepEqual([headline(given).name, headline(given).text], ["rejected", text]);
    assert.equal(tell(given).headline.detail, `${rest}The warehouse holds all 100 entries, read 4 hours ago.`);
  });

test("nobody is said not to be asked where that is not known, or where a run is about to ask", () => {
  const given = { latest: latest({ held: 3 }), runs: [run("run-8", 8)] };
  assert.equal(headline({ ...given, waiting: null }).name, "complete");
  const on = [run("run-8", 8, { state: "running", end_date: null })];
  const tasks = [task("run-8", "publish"), task("run-8", "approve_removals", null)];
  assert.equal(headline({ ...given, runs: on, tasks }).name, "running");
});

test("a run that reads says how many shards are done, and has a bar for each", () => {
  const shards = ["success", "running", "running", null].map((state, n) => task("r", `extract.shard_${n}`, state));
  const runs = [run("run-8", 8), run("r", 11, { state: "running", end_date: null })];
  const { headline: found } = tell({ latest: latest(), runs, tasks: [...shards, task("r", "audit", null)] });
  assert.deepEqual([found.name, found.level], ["running", "info"]);
  assert.equal(found.text, "A run is on: it reads the directory, 1 of 4 shards done; it started 60 minutes ago.");
  assert.equal(found.shards.length, 4);
  assert.equal(found.detail, "The warehouse holds all 100 entries, read 4 hours ago.");
});

test("a run that skipped shards counts those that it needs", () => {
  const shards = ["running", "skipped", "skipped"].map((state, n) => task("r", `extract.shard_${n}`, state));
  const runs = [run("run-8", 8), run("r", 11, { state: "running", end_date: null })];
  const { headline: found } = tell({ latest: latest(), runs, tasks: [...shards, task("r", "audit", null)] });
  assert.match(found.text, /0 of 1 shard done/);
});

for (const [stage, words] of [
  ["audit", "it proves and compares what it read"],
  ["publish", "it publishes the difference"],
  ["remove", "it carries out the removal"],
])
  test(`a run in its stage ${stage} says what it does`, () => {
    const runs = [run("r", 11, { state: "running", end_date: null })];
    const tasks = [task("r", "extract.shard_0"), task("r", stage, "running")];
    assert.equal(headline({ runs, tasks }).text, `A run is on: ${words}; it started 60 minutes ago.`);
  });

test("a dry run that is on is called one", () => {
  const runs = [run("r", 11, { conf: { mode: "dry_run" }, state: "running", end_date: null })];
  assert.match(headline({ runs }).text, /^A dry run is on: its tasks begin;/);
});

const QUEUED = run("r", 11, { state: "queued", end_date: null, start_date: null });
const RUNNING = run("r", 11, { state: "running", end_date: null });
for (const [why, given] of [
  ["the Dag is paused", { dag: { ...DAG, is_paused: true }, runs: [QUEUED] }],
  ["the scheduler has not started it yet", { runs: [QUEUED] }],
  [
    "the pool `default_pool` has no slot",
    {
      runs: [RUNNING],
      tasks: [task("r", "extract.shard_0", "scheduled")],
      said: said([], { pools: { default_pool: { slots: 0, open_slots: 0 } } }),
    },
  ],
  [
    "its tasks wait for a free slot of the pool `default_pool`",
    { runs: [RUNNING], tasks: [task("r", "extract.shard_0", "scheduled", { scheduled_when: at(11, 59) })] },
  ],
  [
    "its tasks wait for a free worker",
    { runs: [RUNNING], tasks: [task("r", "extract.shard_0", "queued", { queued_when: at(11, 59) })] },
  ],
])
  test(`a run waits, because ${why}`, () => {
    assert.deepEqual([headline(given).name, headline(given).text], ["a run waits", `A run waits: ${why}.`]);
  });

test("a run that stands in line for a moment is not said to wait", () => {
  const tasks = [task("r", "extract.shard_0", "queued", { queued_when: "2026-03-01T11:59:50Z" })];
  assert.equal(headline({ runs: [RUNNING], tasks }).name, "running");
});

test("a second run that waits for the first is told beside it", () => {
  const first = run("first", 10, { state: "running", end_date: null });
  const given = { latest: latest(), runs: [first, QUEUED], tasks: [task("first", "audit", "running")] };
  assert.equal(headline(given).name, "running");
  assert.deepEqual(texts(given), ["A run waits: one run at a time (`max_active_runs`), and another one is active."]);
});

test("a proven publication of today is complete, and counts what the directory has now", () => {
  assert.deepEqual(headline({ latest: latest(), runs: [run("run-8", 8)] }), {
    name: "complete",
    level: "ok",
    text: "Complete: all 100 entries, read 4 hours ago.",
  });
  assert.match(headline({ latest: latest({ current: 105 }) }).text, /^Complete: all 105 entries/);
});

test("what is not proven is not called complete", () => {
  assert.deepEqual(headline({ latest: latest({ proof: "walk" }) }), {
    name: "not proven",
    level: "warning",
    text: "100 entries, read 4 hours ago; it is not proven that these are all.",
  });
});

test("one and a half intervals are in time, more is late; without a schedule nothing is", () => {
  const hoursAgo = (hours) => new Date(NOW - hours * 3_600_000).toISOString();
  assert.equal(states.lateness(DAG, [], hoursAgo(36), NOW).isLate, false);
  assert.equal(states.lateness(DAG, [], hoursAgo(36.1), NOW).isLate, true);
  assert.equal(states.lateness({ timetable_periodic: false }, [], hoursAgo(1_000), NOW), null);
  const late = { latest: latest({ snapshot_at: hoursAgo(40) }) };
  assert.match(headline(late).text, /^Out of date: .* every 24 hours\.$/);
  assert.equal(headline({ ...late, runs: [RUNNING] }).name, "running");
  assert.match(texts({ ...late, runs: [RUNNING] })[0], /^Out of date/);
});

for (const [name, given, level, text] of [
  ["the Dag is paused", { dag: { ...DAG, is_paused: true } }, "warning", "Nothing is published yet, and the Dag is paused."],
  ["a run is due", {}, "info", "Nothing is published yet. The next run is due in 20 hours."],
  ["no run is due", { dag: { timetable_periodic: false } }, "info", "Nothing is published yet."],
])
  test(`before the first publication: ${name}`, () =>
    assert.deepEqual(headline(given), { name: "nothing published", level, text }));

test("each state comes before all that stand below it, and what is no headline is a notice", () => {
  const asked = question("asks");
  const all = [
    { runs: [run("asks", 7, { state: "running", end_date: null })], tasks: [asked.task_instance], waiting: [asked] },
    approval("running"),
    { runs: FAILED.runs.slice(1), tasks: FAILED.tasks },
    { runs: [run("t", 11, { state: "running", end_date: null })], tasks: [task("t", "audit", "up_for_retry")] },
    { runs: [run("w", 11, { state: "running", end_date: null })], tasks: [task("w", "audit", "running")] },
    { runs: [{ ...QUEUED, dag_run_id: "q" }], tasks: [] },
  ];
  const names = ["waits for you", "removal pending", "failed", "retrying", "running", "a run waits"];
  for (let first = 0; first < all.length; first += 1) {
    const left = all.slice(first);
    const given = {
      latest: latest({ held: 5 }),
      runs: left.flatMap((one) => one.runs),
      tasks: left.flatMap((one) => one.tasks),
      waiting: left.flatMap((one) => one.waiting ?? []),
    };
    const found = states.statesOf({ ...NOTHING, ...given }).filter((one) => one.name !== "rejected");
    assert.deepEqual(found.map((one) => one.name), names.slice(first));
  }
});

test("errors, drift and a pause are told in the order of their weight", () => {
  const findings = [
    { rule: "fields", level: "warning", message: "`a` is new." },
    { rule: "total", level: "error", message: "The total differs." },
  ];
  assert.deepEqual(texts({ dag: { ...DAG, is_paused: true }, latest: latest({ findings }) }), [
    "The total differs.",
    "The schema drifted. `a` is new.",
    "The Dag is paused: no run will start by itself.",
  ]);
});

test("what is read of the tasks is only what the state needs", () => {
  const keys = (given) => standing.wanted({ ...NOTHING, ...given }).entries.map(({ key, task: one }) => [key, one.task_id]);
  assert.deepEqual(keys({ latest: latest(), runs: [run("run-8", 8)], tasks: [task("run-8", "audit")] }), []);
  assert.deepEqual(keys(FAILED), [
    ["directory_cause", "extract.shard_0"],
    ["directory_cause", "extract.shard_1"],
  ]);
  assert.deepEqual(keys({ waiting: [question("r")] }), [["directory_question", "approve_removals"]]);
  assert.equal(standing.wanted({ ...NOTHING, latest: latest({ held: 1 }), runs: [run("run-8", 8)] }).isDecided, true);
});

test("the runs that tell are the active ones, the newest ended ones and the last that published", () => {
  const runs = [
    run("on", 11, { state: "running" }),
    run("dry", 10, { conf: { mode: "dry_run" } }),
    run("bad", 9, { state: "failed" }),
    run("old", 8),
    run("older", 7),
  ];
  assert.deepEqual(standing.tellingRuns(runs, "older").map((one) => one.dag_run_id), ["on", "dry", "bad", "older"]);
});

test("the first sentence of a message ends where the next begins, not within a number or a word", () => {
  for (const [text, first, rest] of [
    ["One. Two. Three.", "One.", "Two. Three."],
    ["4,312 of 10.5 entries (limit 5.0 %) e.g. these. Nothing was removed.", "4,312 of 10.5 entries (limit 5.0 %) e.g. these.", "Nothing was removed."],
    ["no end", "no end", ""],
  ])
    assert.deepEqual(states.firstSentence(text), [first, rest]);
});
