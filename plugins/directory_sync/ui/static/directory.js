// The data that Airflow has of the directories, for the page and for the card on the home page.

import {
  readAssets,
  readDags,
  readEvents,
  readRuns,
  readSaid,
  readTasks,
  readWaiting,
  useNow,
  useReading,
} from "./reading.js";
import { isActive, publications, reportOf, sources } from "./shape.js";
import { tellingRuns, wanted } from "./standing.js";

const { useEffect, useState } = globalThis.React;

/** A key that identifies a source among the others. */
export const keyOf = ({ dagId, resource }) => JSON.stringify([dagId, resource]);

const RECENT_RUNS = 30;
/** How many events are read for a range: a run with a decision has two. */
export const EVENTS = { 30: 100, 90: 200, all: 1000 };

/** The Dags of this package, and the resources that they publish. */
export function useSources(dagId) {
  const dags = useReading("dags", readDags);
  const ids = dags.data?.map((dag) => dag.dag_id) ?? [];
  const assets = useReading(ids.length ? `assets ${ids}` : null, (signal) => readAssets(ids, signal), {
    isOnce: true,
  });
  const isLoading = dags.isLoading || assets.isLoading;
  const all = isLoading || !dags.data ? [] : sources(dags.data, assets.data);
  return { all: dagId ? all.filter((source) => source.dagId === dagId) : all, assets, dags, isLoading };
}

/** What the tasks left for the page, and the pools that they wait for: read where `asked` names anything. */
export function useSaid({ asked, dagId, isRunning, key, resource }) {
  const isOwn = (taskId) => resource === null || !taskId.includes(".") || taskId.startsWith(`${resource}.`);
  const answers = asked.answers.map((run) => run.dag_run_id);
  const isAnything = asked.isDecided || [asked.entries, asked.pools, answers].some((part) => part.length > 0);
  const tries = asked.entries.map(({ key: entry, task }) => [task.task_id, task.dag_run_id, task.try_number, entry]);
  return useReading(
    isAnything ? `said ${key}` : null,
    (signal) => readSaid({ dagId, isOwn, wanted: asked }, signal),
    { again: JSON.stringify([tries, asked.pools, answers, asked.isDecided]), isRunning },
  );
}

/** The data that Airflow has of one (Dag, resource). If `range` is null, only what the headline needs is read. */
export function useDirectory({ assetId, dag, dagId, resource }, range) {
  // Ask often while a run is active, but not while it waits for a person: that may take days.
  const [isRunning, setRunning] = useState(false);
  const now = useNow(isRunning);
  const runs = useReading(`runs ${dagId}`, (signal) => readRuns({ dagId, most: RECENT_RUNS }, signal), {
    isRunning,
  });
  const waiting = useReading(`waiting ${dagId}`, (signal) => readWaiting(dagId, signal), { isRunning });
  const most = range === null ? 10 : EVENTS[range];
  const events = useReading(
    `events ${dagId} ${assetId}`,
    (signal, known) => readEvents({ assetId, dagId, known, most }, signal),
    { again: most, isRunning },
  );
  const isOn = (runs.data?.some(isActive) ?? false) && !waiting.data?.length;
  useEffect(() => setRunning(isOn), [isOn]);

  const found = events.data?.events ?? [];
  const own = resource ?? reportOf(found.findLast(reportOf))?.resource ?? null;
  const published = publications(found, own);
  const [before = null, last = null] = [null, null, ...published.filter((one) => !one.isInterval)].slice(-2);
  // The same object as in `published`: the findings of others are told from its own by that.
  const latest = last && Object.assign(last, { current: published.at(-1).current ?? last.current });
  const telling = range === null ? tellingRuns(runs.data ?? [], last?.runId) : (runs.data ?? []);
  const tasks = useReading(
    telling.length ? `tasks ${dagId} ${range === null}` : null,
    (signal, known) => readTasks({ dagId, known, runs: telling }, signal),
    { again: telling.map((run) => run.dag_run_id + run.state).join(), isRunning },
  );
  const known = {
    ...{ dag, latest, now, published, resource: own },
    ...{ runs: runs.data ?? [], tasks: tasks.data?.tasks ?? null, waiting: waiting.data },
  };
  const asked = wanted(known);
  const said = useSaid({ asked, dagId, isRunning, key: `${dagId} ${own}`, resource: own });
  const facts = { ...known, said: said.data };
  return { before, events, facts, isRunning, published, resource: own, runs, said, tasks, waiting };
}
