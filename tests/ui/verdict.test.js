// The changes of a publication in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, publication, states, task, verdict } from "./page.js";

const latest = (given = {}) => publication({ id: 8, snapshot_at: at(8), ...given });

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

test("the path of a task leads to the task, also to one of several", () => {
  const one = task("a/b", "approve_removals");
  assert.equal(states.taskPath(one), "/dags/directory_sync/runs/a%2Fb/tasks/approve_removals");
  assert.match(states.taskPath({ ...one, map_index: 2 }, "logs"), /\/tasks\/approve_removals\/mapped\/2\/logs$/);
});
