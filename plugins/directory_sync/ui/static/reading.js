// The requests to Airflow's own API, with the rights of the logged-in user, and their repetition.

import { TAGS, XCOM } from "./facts.js";
import { decisionOf } from "./shape.js";
import { entryOf } from "./standing.js";

const { useCallback, useEffect, useRef, useState } = globalThis.React;

const PAGE = 100;
const POLL_MS = 30_000;
const POLL_RUNNING_MS = 5_000;

/** A failed request. `status` is the HTTP status; 0: Airflow did not answer. */
class ReadingError extends Error {
  constructor(status) {
    super(`status ${status}`);
    this.status = status;
  }

  /** Whether a repetition of the request would fail in the same way. */
  get isFinal() {
    return this.status === 401 || this.status === 403 || this.status === 404;
  }
}

/** A sentence about a failed request. `what` names the data that was requested, in the plural: "the runs". */
export function problem(error, what) {
  switch (error.status) {
    case 0:
      return `Airflow did not answer when asked for ${what}. It is asked again.`;
    case 401:
      return `You are not logged in any more, so ${what} cannot be read. Reload the page to log in.`;
    case 403:
      return `You have no right to read ${what} in this Airflow (403).`;
    case 404:
      return `Airflow does not know ${what} (404).`;
    case undefined:
      return `Airflow's answer when asked for ${what} has an unknown form.`;
    default:
      return `Airflow failed when asked for ${what} (${error.status}). It is asked again.`;
  }
}

/** Whether this Airflow takes no cookie: the interface of 3.1.0 keeps the token of the login for its own requests. */
let isCookieRefused = false;

async function send(url, options) {
  const token = globalThis.localStorage?.getItem("token");
  const withToken = { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } };
  if (isCookieRefused && token) return fetch(url, withToken);
  const answer = await fetch(url, options);
  if (answer.status !== 401 || !token) return answer;
  const again = await fetch(url, withToken);
  // An older token may lie there after an upgrade of Airflow.
  isCookieRefused = again.ok;
  return again.ok ? again : answer;
}

async function ask(path, { query = [], body, signal, below = "api/v2" }) {
  // The URL is relative to the page's <base>, because Airflow may be served below a path.
  const url = new URL(`${below}/${path}`, document.baseURI);
  for (const [key, value] of query) url.searchParams.append(key, value);
  const headers = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) };
  const method = body ? "POST" : "GET";
  let answer;
  try {
    answer = await send(url, {
      method,
      headers,
      signal,
      body: body && JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch (error) {
    throw signal?.aborted ? error : new ReadingError(0);
  }
  if (!answer.ok) throw new ReadingError(answer.status);
  return answer.json();
}

const name = encodeURIComponent;

/** Reads a list of the API in pages, up to `most` items. */
async function askAll(key, most, askPage) {
  const first = await askPage(0);
  const total = Math.min(first.total_entries ?? first[key].length, most);
  const offsets = [];
  for (let offset = PAGE; offset < total; offset += PAGE) offsets.push(offset);
  const rest = await Promise.all(offsets.map(askPage));
  return { items: [first, ...rest].flatMap((page) => page[key]), total: first.total_entries };
}

export async function readDags(signal) {
  const query = [
    ...TAGS.map((tag) => ["tags", tag]),
    ["tags_match_mode", "all"],
    ["order_by", "dag_id"],
    ["limit", PAGE],
  ];
  return (await ask("dags", { query, signal })).dags;
}

export async function readAssets(dagIds, signal) {
  const query = [...dagIds.map((dagId) => ["dag_ids", dagId]), ["limit", PAGE]];
  return (await ask("assets", { query, signal })).assets;
}

/** Reads the publications of a resource: up to `most` asset events, in no order. `known` is the last result. */
export async function readEvents({ dagId, assetId, runId, most, known }, signal) {
  const own = [
    ["source_dag_id", dagId],
    ["order_by", "-timestamp"],
    ["limit", Math.min(PAGE, most)],
  ];
  if (assetId !== null) own.push(["asset_id", assetId]);
  if (runId) own.push(["source_run_id", runId]);
  // Events are never edited, so new ones are on the first page.
  const isKnown = known !== null && known.most >= most;
  const found = await askAll("asset_events", isKnown ? PAGE : most, (offset) =>
    ask("assets/events", { query: [...own, ["offset", offset]], signal }),
  );
  const all = new Map([...(known?.events ?? []), ...found.items].map((event) => [event.id, event]));
  return { events: [...all.values()], most: Math.max(most, known?.most ?? 0), total: found.total };
}

export async function readRuns({ dagId, most, state }, signal) {
  const query = [["order_by", "-run_after"], ["limit", most], ...(state ? [["state", state]] : [])];
  return (await ask(`dags/${name(dagId)}/dagRuns`, { query, signal })).dag_runs;
}

export const readRun = ({ dagId, runId }, signal) =>
  ask(`dags/${name(dagId)}/dagRuns/${name(runId)}`, { signal });

/** Reads the task instances of runs; those of an ended run are read once. `known` is the last result. */
export async function readTasks({ dagId, runs, known }, signal) {
  const tag = (run) => `${run.dag_run_id} ${run.state} ${run.end_date}`;
  const kept = new Map(
    runs.filter((run) => run.end_date && known?.tags.has(tag(run))).map((run) => [run.dag_run_id, tag(run)]),
  );
  const missing = runs.map((run) => run.dag_run_id).filter((runId) => !kept.has(runId));
  const found =
    missing.length === 0
      ? { items: [] }
      : await askAll("task_instances", 10 * PAGE, (offset) =>
          ask("dags/~/dagRuns/~/taskInstances/list", {
            body: { dag_ids: [dagId], dag_run_ids: missing, page_limit: PAGE, page_offset: offset },
            signal,
          }),
        );
  const old = known?.tasks.filter((task) => kept.has(task.dag_run_id)) ?? [];
  return { tags: new Set(runs.map(tag)), tasks: [...old, ...found.items] };
}

async function readQuestions({ dagId, runId, isAnswered }, signal) {
  const query = [
    ["response_received", isAnswered],
    ["limit", PAGE],
  ];
  const details = (await ask(`dags/${name(dagId)}/dagRuns/${runId}/hitlDetails`, { query, signal })).hitl_details;
  return details.filter((detail) => detail?.task_instance);
}

/** Reads the questions of a Dag that nobody has answered yet. */
export const readWaiting = (dagId, signal) => readQuestions({ dagId, isAnswered: "false", runId: "~" }, signal);

/** Reads the answers that the tasks of a run were given. */
const readAnswers = ({ dagId, runId }, signal) =>
  readQuestions({ dagId, isAnswered: "true", runId: name(runId) }, signal);

/** The value of an XCom; null: the task left none. Airflow gives it as JSON, or as text that holds JSON. */
async function readEntry({ task, key }, signal) {
  const { dag_id: dagId, dag_run_id: runId, task_id: taskId, map_index: at } = task;
  const path = `dags/${name(dagId)}/dagRuns/${name(runId)}/taskInstances/${name(taskId)}/xcomEntries/${name(key)}`;
  try {
    const { value } = await ask(path, { query: [["map_index", at ?? -1]], signal });
    try {
      return typeof value === "string" ? JSON.parse(value) : value;
    } catch {
      return value;
    }
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Reads the last decision on the held removals of a resource, and when a person is asked again; null: none. */
async function readDecision(dagId, isOwn, signal) {
  const query = [
    ["xcom_key", XCOM.DECISION],
    ["order_by", "-timestamp"],
    ["limit", PAGE],
  ];
  const path = `dags/${name(dagId)}/dagRuns/~/taskInstances/~/xcomEntries`;
  const found = (await ask(path, { query, signal })).xcom_entries.filter((entry) => isOwn(entry.task_id));
  // Before Airflow 3.2 they come in no order that was asked for.
  const [last] = found.sort((one, other) => (one.timestamp < other.timestamp ? 1 : -1));
  if (!last) return null;
  const task = { ...last, dag_run_id: last.run_id };
  const [decision, question] = await Promise.all([
    readEntry({ key: XCOM.DECISION, task }, signal),
    readEntry({ key: XCOM.QUESTION, task }, signal),
  ]);
  return { ...decision, asksAgainAt: question?.asks_again_at ?? null };
}

/**
 * Reads what tasks left for the page, the pools they wait for, and the last decision, see `wanted` of standing.js. What
 * the user may not read is not known: the page has other words for it.
 */
export async function readSaid({ dagId, isOwn, wanted }, signal) {
  const refused = new Set();
  const orNull = (kind, asked) =>
    asked.catch((error) => {
      if (error.status !== 403 && error.status !== 404) throw error;
      if (error.status === 403) refused.add(kind);
      return null;
    });
  const [answers, entries, pools, decision] = await Promise.all([
    Promise.all(
      wanted.answers.map(async ({ dag_run_id: runId }) => [
        runId,
        (await orNull("answers", readAnswers({ dagId, runId }, signal)))?.find(({ task_instance: task }) =>
          isOwn(task.task_id),
        ) ?? null,
      ]),
    ),
    Promise.all(
      wanted.entries.map(async (one) => [entryOf(one.task, one.key), await orNull("xcom", readEntry(one, signal))]),
    ),
    Promise.all(
      wanted.pools.map(async (pool) => [pool, await orNull("pools", ask(`pools/${name(pool)}`, { signal }))]),
    ),
    wanted.isDecided ? orNull("xcom", readDecision(dagId, isOwn, signal)) : null,
  ]);
  return {
    answers: Object.fromEntries(answers),
    decision: decisionOf(decision) && { ...decisionOf(decision), asksAgainAt: decision.asksAgainAt },
    entries: Object.fromEntries(entries),
    pools: Object.fromEntries(pools),
    refused: [...refused],
  };
}

/** Reads whether the user may start a run of the Dag. */
export const readRights = (dagId, signal) =>
  ask(`dags/${name(dagId)}/rights.json`, { below: "directory-sync", signal });

/** Reads who joined, left and changed in each sync of a run: {who} or {who: null, why}. */
export const readWho = ({ dagId, resource, runId, syncIds }, signal) =>
  Promise.all(
    syncIds.map((syncId) =>
      ask(`dags/${name(dagId)}/who.json`, {
        below: "directory-sync",
        query: [
          ["resource", resource],
          ["run_id", runId],
          ["sync_id", syncId],
        ],
        signal,
      }),
    ),
  );

/** Starts a run of the Dag in a mode; returns the run. */
export const startRun = ({ dagId, mode }) =>
  ask(`dags/${name(dagId)}/dagRuns`, { body: { conf: { mode }, logical_date: null } });

const STARTED = "directory-sync-started";

/** Lets everything on the page be read again at once, because a run was started or has ended. */
export const tellStarted = () => document.dispatchEvent(new globalThis.Event(STARTED));

/** Reads which code the API server runs, and what this Airflow does not have. */
export const readAbout = (signal) => ask("about.json", { below: "directory-sync", signal });

/**
 * The result of a request, kept up to date while the page is visible.
 *
 * @param {string | null} key identifies the data; another key makes a new request, null makes none.
 * @param {(signal: AbortSignal, known: any) => Promise<any>} load makes the request; `known` is its last result.
 * @param {{isRunning?: boolean, isOnce?: boolean, again?: any}} options isRunning: repeat it often. isOnce: do not
 *   repeat it. again: repeat it at once when this value changes.
 * @returns {{data: any, error: Error | null, isLoading: boolean}} data stays available during a repetition.
 */
export function useReading(key, load, { isRunning = false, isOnce = false, again = null } = {}) {
  const [state, setState] = useState({ key: null, data: null, error: null });
  const latest = useRef(load);
  latest.current = load;
  const known = useRef({ key: null, data: null });

  const read = useCallback(
    async (signal) => {
      const before = known.current.key === key ? known.current.data : null;
      try {
        const data = await latest.current(signal, before);
        if (signal.aborted) return null;
        known.current = { key, data };
        setState({ key, data, error: null });
        return null;
      } catch (error) {
        if (signal.aborted) return null;
        setState({ key, data: before, error });
        return error;
      }
    },
    [key],
  );

  useEffect(() => {
    if (key === null) return undefined;
    const control = new AbortController();
    let timer;
    let isAsking = false;
    let isDone = false;
    const next = async () => {
      if (isAsking || isDone || document.hidden) return;
      clearTimeout(timer);
      isAsking = true;
      const error = await read(control.signal);
      isAsking = false;
      isDone = Boolean(error?.isFinal) || (isOnce && !error);
      if (!control.signal.aborted && !isDone)
        timer = setTimeout(next, isRunning && !error ? POLL_RUNNING_MS : POLL_MS);
    };
    next();
    document.addEventListener("visibilitychange", next);
    document.addEventListener(STARTED, next);
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", next);
      document.removeEventListener(STARTED, next);
    };
  }, [key, read, isRunning, isOnce, again]);

  const isOwn = state.key === key;
  const data = isOwn ? state.data : null;
  const error = isOwn ? state.error : null;
  return { data, error, isLoading: key !== null && data === null && error === null };
}

/** The present time, updated regularly, so that "4 minutes ago" stays true. */
export function useNow(isRunning = false) {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), isRunning ? POLL_RUNNING_MS : POLL_MS);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}
