// From the answers of Airflow's API to the data that the page shows. Pure functions: no request, clock or React.

import { KINDS, MODE, STAGE, STAGES } from "./facts.js";

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const number = (value) => (Number.isFinite(value) ? value : 0);
const time = (iso) => (iso ? new Date(iso).getTime() : Number.NaN);
const isTime = (value) => typeof value === "string" && Number.isFinite(time(value));

/**
 * The (Dag, resource) pairs to choose from. A resource is an asset that a `publish` task of the Dag writes. If the
 * assets of a Dag are not known, its resource is null: the resource that it published last is shown.
 */
export function sources(dags, assets) {
  // The assets of a second directory have its dataset as a prefix: `partners.people`. A resource's name has no dot.
  const resourceOf = (name) => name.slice(name.lastIndexOf(".") + 1);
  return dags.flatMap((dag) => {
    const publishes = (task) => task.dag_id === dag.dag_id && task.task_id.split(".").at(-1) === STAGE.PUBLISH;
    const own = (assets ?? []).filter((asset) => (asset.producing_tasks ?? []).some(publishes));
    const found = own.map(({ id, name }) => ({ dag, dagId: dag.dag_id, resource: resourceOf(name), assetId: id }));
    return found.length ? found : [{ dag, dagId: dag.dag_id, resource: null, assetId: null }];
  });
}

/** A person's decision on held removals; null if there is none. */
export function decisionOf(value) {
  if (!isObject(value) || typeof value.choice !== "string") return null;
  const text = (name) => (typeof value[name] === "string" ? value[name] : "");
  return { choice: value.choice, by: text("by"), at: isTime(value.at) ? value.at : null, reason: text("reason") };
}

const texts = (values) =>
  Object.fromEntries(Object.entries(isObject(values) ? values : {}).map(([key, value]) => [key, String(value)]));

/** The report in an asset event; null if it has none. */
export function reportOf(event) {
  const extra = event?.extra;
  const isReport = isObject(extra) && typeof extra.resource === "string" && Number.isFinite(extra.entries);
  if (!isReport || !isObject(extra.changes) || !isTime(event.timestamp)) return null;
  const counts = (values) =>
    Object.fromEntries(
      Object.entries(isObject(values) ? values : {}).map(([key, value]) => [key, number(value)]),
    );
  const plain = [
    "entries",
    "unchanged",
    "held",
    "newly_held",
    "windows",
    "joints",
    "bridged",
    "requests",
    "retries",
    "refused",
  ];
  return {
    ...Object.fromEntries(plain.map((key) => [key, number(extra[key])])),
    syncId: String(extra.sync_id ?? event.id),
    syncIds: [String(extra.sync_id ?? event.id)],
    dataset: typeof extra.dataset === "string" ? extra.dataset : null,
    // The connection and the Dag, joined by a slash.
    connection: typeof extra.directory === "string" ? extra.directory.split("/")[0] : null,
    newColumns: texts(extra.new_columns),
    nullColumns: texts(extra.null_columns),
    resource: extra.resource,
    runId: String(event.source_run_id ?? extra.run_id ?? ""),
    publishedAt: event.timestamp,
    snapshotAt: isTime(extra.snapshot_at) ? extra.snapshot_at : event.timestamp,
    isFirst: extra.base_sync_id === null,
    isDecision: extra.mode === MODE.DECIDE,
    isInterval: extra.mode === MODE.INTERVAL,
    isDry: extra.mode === MODE.DRY_RUN,
    // How many entries the directory has now; null: a release before it counted them.
    current: Number.isFinite(extra.current) ? extra.current : null,
    decision: decisionOf(extra.decision),
    order: String(extra.order ?? ""),
    proof: String(extra.proof ?? ""),
    changes: Object.fromEntries(KINDS.map((kind) => [kind, number(extra.changes[kind])])),
    changedFields: counts(extra.changed_fields),
    findings: (Array.isArray(extra.findings) ? extra.findings : [])
      .filter((finding) => isObject(finding) && typeof finding.message === "string")
      .map(({ rule, level, message }) => ({ rule: String(rule), level: String(level), message })),
  };
}

/**
 * One item per run that published, the oldest first. A decision on held removals is a later event of the same run:
 * its changes are added to the run's, its counts replace the run's. A repeated publication counts once.
 */
export function publications(events, resource) {
  const reports = events
    .map(reportOf)
    .filter((report) => report && (resource === null || report.resource === resource))
    .sort((one, other) => time(one.publishedAt) - time(other.publishedAt));
  const runs = new Map();
  for (const report of reports) {
    const syncs = runs.get(report.runId) ?? new Map();
    syncs.delete(report.syncId);
    runs.set(report.runId, syncs.set(report.syncId, report));
  }
  return [...runs.values()].map((syncs) => {
    const all = [...syncs.values()];
    const last = all.at(-1);
    const sum = (kind) => all.reduce((total, report) => total + report.changes[kind], 0);
    return {
      ...(all.findLast((report) => !report.isDecision) ?? last),
      entries: last.entries,
      held: last.held,
      syncIds: all.map((report) => report.syncId),
      current: last.current,
      decision: last.decision,
      publishedAt: last.publishedAt,
      changes: Object.fromEntries(KINDS.map((kind) => [kind, sum(kind)])),
    };
  });
}

export const isActive = (run) => run.state === "running" || run.state === "queued";

export const startOf = (run) => run.start_date ?? run.run_after;

/** The runs sorted by their start, the newest first. */
export const byStart = (runs) => [...runs].sort((one, other) => time(startOf(other)) - time(startOf(one)));

/** The points of the charts: runs that published and runs that failed, the oldest first. */
export function points(published, failedRuns, { since = null } = {}) {
  const failed = new Map(failedRuns.map((run) => [run.dag_run_id, run]));
  const shown = published.map((report) => ({
    runId: report.runId,
    at: report.snapshotAt,
    // An interval run fetches a part of the directory, so its count is not the directory's.
    entries: report.isInterval ? null : report.entries,
    isInterval: report.isInterval,
    held: report.held,
    runs: 1,
    added: report.changes.added + report.changes.returned,
    changed: report.changes.changed + report.changes.reshaped,
    removed: report.changes.removed,
    failed: failed.has(report.runId) ? 1 : 0,
  }));
  const known = new Set(published.map((report) => report.runId));
  const empty = [...failed.values()]
    .filter((run) => !known.has(run.dag_run_id) && (since === null || time(startOf(run)) >= time(since)))
    .map((run) => ({
      runId: run.dag_run_id,
      at: startOf(run),
      entries: null,
      held: null,
      runs: 1,
      added: 0,
      changed: 0,
      removed: 0,
      failed: 1,
    }));
  return [...shown, ...empty].sort((one, other) => time(one.at) - time(other.at));
}

/** Reduces points to at most `most`: neighbours become one, with the sum of changes and the last count of entries. */
export function bucketed(all, most) {
  const size = Math.ceil(all.length / most);
  if (size <= 1) return all;
  const buckets = [];
  for (let end = all.length; end > 0; end -= size) buckets.unshift(all.slice(Math.max(0, end - size), end));
  return buckets.map((bucket) => {
    const sum = (key) => bucket.reduce((total, point) => total + point[key], 0);
    const last = bucket.findLast((point) => point.entries !== null) ?? bucket.at(-1);
    return {
      ...last,
      since: bucket[0].at,
      at: bucket.at(-1).at,
      runs: bucket.length,
      runId: bucket.at(-1).runId,
      added: sum("added"),
      changed: sum("changed"),
      removed: sum("removed"),
      failed: sum("failed"),
    };
  });
}

/** The top of the scale of the changes. It ignores bars that would flatten the others, such as a first load. */
export function scaleTop(totals) {
  const sorted = totals.filter((total) => total > 0).sort((one, other) => one - other);
  if (!sorted.length) return 1;
  const usual = sorted[Math.floor((sorted.length - 1) * 0.8)];
  return sorted.findLast((total) => total <= 5 * usual);
}

/** Two to four round numbers that span a range. */
export function ticks(low, high) {
  const rough = Math.max(high - low, 1) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(
    1,
    [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough),
  );
  const first = Math.floor(low / step) * step;
  const found = [];
  for (let tick = first; tick < high + step; tick += step) found.push(tick);
  return found;
}

export function median(values) {
  const sorted = values.filter((value) => value !== null).sort((one, other) => one - other);
  if (!sorted.length) return null;
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function stageOf(taskId, prefix) {
  if (!taskId.startsWith(prefix)) return null;
  const name = taskId.slice(prefix.length);
  return name.startsWith(`${STAGE.EXTRACT}.`) ? STAGE.EXTRACT : STAGES.includes(name) ? name : null;
}

/**
 * The tasks of a resource, each with its `stage`. With several resources, the tasks of each are in a group of its
 * name. A null for the resource stands for the only one.
 */
export function ownTasks(tasks, resource) {
  const isGrouped = tasks.some((task) => resource !== null && task.task_id.startsWith(`${resource}.`));
  const prefix = isGrouped ? `${resource}.` : "";
  return tasks
    .filter((task) => task.operator !== "EmptyOperator")
    .map((task) => ({ ...task, stage: stageOf(task.task_id, prefix) }))
    .filter((task) => task.stage !== null || !isGrouped);
}

/**
 * How long each stage of each run took, the oldest run first: {runId, state, total, extract, audit, ...} in seconds,
 * null if a stage has not ended or did not run. With several resources, the tasks of each are in a group of its name.
 */
export function stageTimes(runs, tasks, resource) {
  const all = ownTasks(tasks, resource);
  return byStart(runs)
    .reverse()
    .map((run) => {
      const own = all.filter((task) => task.dag_run_id === run.dag_run_id);
      const times = STAGES.map((stage) => {
        const parts = own.filter((task) => task.stage === stage && task.start_date);
        if (!parts.length || parts.some((task) => !task.end_date)) return [stage, null];
        const began = Math.min(...parts.map((task) => time(task.start_date)));
        return [stage, (Math.max(...parts.map((task) => time(task.end_date))) - began) / 1000];
      });
      const ended = run.start_date && run.end_date;
      const total = ended ? (time(run.end_date) - time(run.start_date)) / 1000 : null;
      return { runId: run.dag_run_id, state: run.state, total, ...Object.fromEntries(times) };
    });
}

/** The runs that synchronised and succeeded: the others (dry runs, decisions, intervals, failures) are no measure. */
export function measured(runs, published) {
  const syncs = new Set(published.filter((one) => !one.isDecision && !one.isInterval).map((one) => one.runId));
  return runs.filter((run) => run.state === "success" && syncs.has(run.dag_run_id));
}

/** Entries per second of each run's extraction; null if the count or the time is not known. */
export function throughput(times, published) {
  const entries = new Map(published.map((report) => [report.runId, report.entries]));
  return times.map((run) =>
    run[STAGE.EXTRACT] && entries.has(run.runId) ? entries.get(run.runId) / run[STAGE.EXTRACT] : null,
  );
}

/** The last value of a series, the median of the values before it, and all values. */
export function trend(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return { last: values.at(-1) ?? null, usual: median(known.slice(0, -1)), values: known };
}

/** Seconds from one run to the next, by the schedule or by the distance of past runs; null: no schedule. */
export function scheduleSeconds(dag, runs) {
  const seconds =
    (time(dag.next_dagrun_data_interval_end) - time(dag.next_dagrun_data_interval_start)) / 1000;
  if (seconds > 0) return seconds;
  if (!dag.timetable_periodic) return null;
  const due = runs.filter((run) => run.run_type === "scheduled").map((run) => time(run.run_after));
  const gaps = due
    .sort((one, other) => one - other)
    .slice(1)
    .map((at, index) => (at - due[index]) / 1000);
  return median(gaps.filter((gap) => gap > 0));
}

/** The findings about fields in publications, the newest first. */
export const drifts = (published) =>
  [...published]
    .reverse()
    .flatMap((report) =>
      report.findings
        .filter((finding) => finding.rule === "fields")
        .map((finding) => ({ ...finding, report })),
    );
