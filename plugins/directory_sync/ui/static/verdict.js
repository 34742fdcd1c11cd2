// The first sentence of the page, and the notices that a person should see.

import { KIND, PROOF } from "./facts.js";
import { byStart, isActive, scheduleSeconds } from "./shape.js";
import { ago, count, counted, interval, listed } from "./words.js";

/** A publication that is older than this many intervals of the schedule is out of date. */
const LATE_INTERVALS = 1.5;

/** The newest active run, the newest ended run, and the newest successful run; null: there is none. */
export function standing(runs) {
  const ordered = byStart(runs);
  return {
    active: ordered.find(isActive) ?? null,
    ended: ordered.find((run) => run.state === "success" || run.state === "failed") ?? null,
    succeeded: ordered.find((run) => run.state === "success") ?? null,
  };
}

/** Tells whether a publication is older than the schedule allows; null: there is no schedule. */
export function lateness(dag, runs, snapshotAt, now) {
  const seconds = scheduleSeconds(dag, runs);
  if (seconds === null) return null;
  return { seconds, isLate: (now - new Date(snapshotAt)) / 1000 > LATE_INTERVALS * seconds };
}

function beforeTheFirst({ dag, active, ended, now }) {
  if (active) return { level: "info", text: "Nothing is published yet; the first run is active." };
  if (ended?.state === "failed")
    return { level: "error", text: "Nothing is published yet: the last run failed." };
  if (dag.is_paused) return { level: "warning", text: "Nothing is published yet, and the Dag is paused." };
  const due = dag.next_dagrun_run_after;
  const next = due && new Date(due) > now ? ` The next run is due ${ago(due, now)}.` : "";
  return { level: "info", text: `Nothing is published yet.${next}` };
}

/**
 * The sentence that says whether the warehouse is complete and up to date.
 *
 * @param {object} facts dag, runs, latest (the last publication or null), now (a Date).
 * @returns {{level: "ok" | "info" | "warning" | "error", text: string}}
 */
export function headline({ dag, runs, latest, now }) {
  const { active, ended } = standing(runs);
  if (!latest) return beforeTheFirst({ dag, active, ended, now });
  const entries = counted(latest.entries, "entry", "entries");
  const read = ago(latest.snapshotAt, now);
  // A failed run may have published: then a later task of it failed.
  const hasPublished = ended?.dag_run_id === latest.runId;
  if (ended?.state === "failed" && !hasPublished) {
    return { level: "error", text: `The last run failed; the warehouse holds the ${entries} read ${read}.` };
  }
  const late = lateness(dag, runs, latest.snapshotAt, now);
  if (late?.isLate) {
    const due = interval(late.seconds);
    return {
      level: "warning",
      text: `Out of date: the ${entries} were read ${read}, a run is due every ${due}.`,
    };
  }
  if (latest.proof === PROOF.WALK) {
    return { level: "warning", text: `${entries}, read ${read}; it is not proven that these are all.` };
  }
  const failed = ended?.state === "failed" ? "; a later task of the run failed" : "";
  const held = latest.held ? `; ${counted(latest.held, "removal is", "removals are")} held` : "";
  return {
    level: failed || held ? "warning" : "ok",
    text: `Complete: all ${entries}, read ${read}${held}${failed}.`,
  };
}

/** The sentence about one run: what it published, or why it published nothing. */
export function runHeadline({ run, latest }) {
  const failed = run?.state === "failed";
  if (latest) {
    const entries = counted(latest.entries, "entry", "entries");
    if (latest.isInterval && !failed)
      return { level: "ok", text: `This run fetched ${entries} that changed in its interval.` };
    const complete = latest.proof === PROOF.WALK ? "completeness is not proven" : "complete";
    const rest = failed ? "; a later task failed" : "";
    return {
      level: failed || latest.proof === PROOF.WALK ? "warning" : "ok",
      text: `This run published ${entries}, ${complete}${rest}.`,
    };
  }
  if (failed) return { level: "error", text: "This run failed and published nothing." };
  if (run?.state === "success")
    return {
      level: "info",
      text: "This run published nothing: a dry run, or nothing newer than what is published.",
    };
  return { level: "info", text: "This run has not published anything yet." };
}

const CHANGES = [
  [KIND.ADDED, "added"],
  [KIND.RETURNED, "returned"],
  [KIND.CHANGED, "changed"],
  [KIND.RESHAPED, "in a new shape"],
  [KIND.REMOVED, "removed"],
  [KIND.MISSING, "missing but not removed"],
];

/** A sentence about the changes of a publication. */
export function changeSentence(latest, lead = "Since the run before") {
  if (latest.isFirst) return `The first load: ${counted(latest.changes.added, "entry", "entries")} added.`;
  const parts = CHANGES.filter(([kind]) => latest.changes[kind]).map(
    ([kind, word]) => `${count(latest.changes[kind])} ${word}`,
  );
  return parts.length ? `${lead}: ${listed(parts)}.` : `${lead}: nothing changed.`;
}

const runPath = (run) => `/dags/${encodeURIComponent(run.dag_id)}/runs/${encodeURIComponent(run.dag_run_id)}`;

/** The path of a task instance in Airflow's interface, or of a tab of it. */
export const taskPath = (task, part = "") =>
  `${runPath(task)}/tasks/${encodeURIComponent(task.task_id)}${task.map_index >= 0 ? `/mapped/${task.map_index}` : ""}${part && `/${part}`}`;

/**
 * The notices that a person should see, the most urgent first.
 *
 * @param {object} facts dag, runs, tasks, latest, waiting (open questions; null: not known), now.
 * @returns {{level: string, text: string, to?: string, action?: string}[]}
 */
export function notices({ dag, runs, tasks, latest, waiting, now }) {
  const { active, ended } = standing(runs);
  const found = (waiting ?? []).map((detail) => ({
    level: "warning",
    text: `${detail.subject || "A decision is needed."} The run waits for your answer.`,
    to: taskPath(detail.task_instance, "required_actions"),
    action: "Decide",
  }));
  if (latest?.held && waiting?.length === 0) {
    found.push({
      level: "warning",
      text: `${counted(latest.held, "removal is", "removals are")} held; nobody is asked at present.`,
      to: `/dags/${encodeURIComponent(dag.dag_id)}`,
      action: "Open the Dag",
    });
  }
  if (ended?.state === "failed") {
    const broken = tasks.filter((task) => task.dag_run_id === ended.dag_run_id && task.state === "failed");
    const where = broken.length ? ` in ${listed(broken.map((task) => task.task_id))}` : "";
    found.push({
      level: "error",
      text: `The run of ${ago(ended.start_date ?? ended.run_after, now)} failed${where}.`,
      to: broken.length ? taskPath(broken[0]) : runPath(ended),
      action: broken.length ? "Open its log" : "Open the run",
    });
  }
  for (const finding of latest?.findings.filter((one) => one.level === "error") ?? []) {
    found.push({ level: "error", text: finding.message });
  }
  const drift = latest?.findings.filter((one) => one.rule === "fields") ?? [];
  if (drift.length)
    found.push({
      level: "warning",
      text: `The schema drifted. ${drift.map((one) => one.message).join(" ")}`,
    });
  if (latest && dag.is_paused)
    found.push({ level: "warning", text: "The Dag is paused: no run will start by itself." });
  if (active) {
    const text = active.start_date
      ? `A run is active; it started ${ago(active.start_date, now)}.`
      : "A run is queued.";
    found.push({ level: "info", text, to: runPath(active), action: "Watch it" });
  }
  return found;
}
