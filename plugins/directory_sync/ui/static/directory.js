// What Airflow tells of the directories: for the page and for the card on the home page.

import { readAssets, readDags, readEvents, readRuns, readWaiting, useNow, useReading } from "./reading.js";
import { isActive, publications, reportOf, sources } from "./shape.js";

const { useEffect, useState } = globalThis.React;

/** Names a source among the others. */
export const keyOf = ({ dagId, resource }) => JSON.stringify([dagId, resource]);

const RECENT_RUNS = 30;
/** Events to read for a range: a run with a decision has two. */
export const EVENTS = { 30: 100, 90: 200, all: 1000 };

/** The Dags of this product and what they publish. */
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

/** What Airflow tells of one (Dag, resource). `range` null: as little as the headline needs. */
export function useDirectory({ assetId, dag, dagId, resource }, range) {
  // While a run is on, ask often; not while it waits for a person, which may take days.
  const [isRunning, setRunning] = useState(false);
  const now = useNow();
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
  const [before = null, latest = null] = [null, null, ...published.filter((one) => !one.isInterval)].slice(-2);
  const facts = { dag, latest, now, runs: runs.data ?? [], waiting: waiting.data };
  return { before, events, facts, isRunning, published, resource: own, runs, waiting };
}
