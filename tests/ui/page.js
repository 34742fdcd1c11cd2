// The page's modules as Airflow's page loads them: it lends them React and Chakra UI before their import.

const { assign } = Object;

assign(globalThis, {
  React: { createElement: (...parts) => parts },
  ChakraUI: {},
  ReactRouterDOM: {},
});

const load = (name) => import(new URL(`../../plugins/directory_sync/ui/static/${name}.js`, import.meta.url));

const MODULES = ["shape", "words", "verdict", "reading", "charts", "directory", "about", "standing", "states"];

export const [shape, words, verdict, reading, charts, directory, about, standing, states, runstates, shards, dryrun] =
  await Promise.all([...MODULES, "runstates", "shards", "dryrun"].map(load));

/** A moment of the first of March, at an hour. */
export const at = (hour, minute = 0) =>
  `2026-03-01T${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}:00Z`;

/** The asset event of a publication. */
export const event = ({ id = 1, runId = `run-${id}`, timestamp = at(id), ...extra } = {}) => ({
  id,
  timestamp,
  source_run_id: runId,
  extra: {
    sync_id: `sync-${id}`,
    resource: "people",
    base_sync_id: "sync-0",
    mode: "sync",
    proof: "chain",
    entries: 100,
    changes: {},
    ...extra,
  },
});

export const run = (runId, hour, { state = "success", ...rest } = {}) => ({
  dag_id: "directory_sync",
  dag_run_id: runId,
  run_type: "scheduled",
  state,
  run_after: at(hour),
  start_date: at(hour),
  end_date: at(hour, 30),
  ...rest,
});

export const publication = (given = {}) => shape.publications([event(given)], null)[0];

/** A task of a run. */
export const task = (runId, taskId, state = "success", rest = {}) => ({
  dag_id: "directory_sync",
  dag_run_id: runId,
  task_id: taskId,
  map_index: -1,
  operator: "PythonOperator",
  pool: "default_pool",
  try_number: 1,
  start_date: at(8),
  end_date: at(8, 1),
  state,
  ...rest,
});

/** What tasks left: `[task, key, value]` each, and what else was read. */
export const said = (left, { answers = {}, decision = null, pools = {} } = {}) => ({
  answers,
  decision,
  entries: Object.fromEntries(left.map(([one, key, value]) => [standing.entryOf(one, key), value])),
  pools,
});
