// The data that Airflow has of the directories, for the page and for the card on the home page.

import { readAssets, readDags, readEvents, readRuns, readWaiting, useNow, useReading } from "./reading.js";
import { isActive, publications, reportOf, sources } from "./shape.js";

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

/** The data that Airflow has of one (Dag, resource). If `range` is null, only what the headline needs is read. */
export function useDirectory({ assetId, dag, dagId, resource }, range) {
  // Ask often while a run is active, but not while it waits for a person: that may take days.
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
