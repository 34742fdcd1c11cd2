// The bars of the shards.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, shape, shards, task } from "./page.js";

const NOW = new Date(at(8, 3));
const shard = (n, state, rest) => task("r", `extract.shard_${n}`, state, { end_date: null, ...rest });
const before = (n, minutes) => task("old", `extract.shard_${n}`, "success", { end_date: at(8, minutes) });
const bars = (own, earlier = []) => shards.shardBars(own, earlier, NOW);

test("a shard that reads is as far as its time is of what it usually takes, and never done", () => {
  assert.deepEqual(bars([shard(1, "running")], [before(1, 4), before(1, 8), before(2, 1)]), [
    { name: "Shard 1", share: 0.5, text: "3 min 00 s of about 6 min 00 s" },
  ]);
  assert.equal(bars([shard(1, "running")], [before(1, 1)])[0].share, 0.95);
});

test("a first run has times, but nothing to measure them by", () => {
  assert.deepEqual(bars([shard(1, "running")]), [{ name: "Shard 1", share: 0, text: "3 min 00 s" }]);
});

test("shards that are done, waiting or tried again say so, in the order of their numbers", () => {
  const own = [shard(10, null, { start_date: null }), shard(2, "up_for_retry"), shard(1, "success", { end_date: at(8, 1) })];
  assert.deepEqual(bars(own), [
    { name: "Shard 1", share: 1, text: "done in 1 min 00 s" },
    { name: "Shard 2", share: 0, text: "is tried again" },
    { name: "Shard 3", share: 0, text: "waits" },
  ]);
});

test("a shard that a small directory does not need says so", () => {
  const own = [shard(0, "running"), shard(1, "skipped", { start_date: at(8, 0), end_date: at(8, 0) })];
  assert.deepEqual(bars(own)[1], { name: "Shard 2", share: 0, text: "not needed" });
});

test("dry runs, decisions, intervals and failures are no measure of a run's time", () => {
  const published = [["a"], ["b", { mode: "decide" }], ["c", { mode: "interval" }], ["d"]].map(([runId, rest]) => ({
    runId,
    isDecision: rest?.mode === "decide",
    isInterval: rest?.mode === "interval",
  }));
  const runs = ["a", "b", "c", "d", "dry"].map((id) => ({ dag_run_id: id, state: id === "d" ? "failed" : "success" }));
  assert.deepEqual(shape.measured(runs, published).map((run) => run.dag_run_id), ["a"]);
});
