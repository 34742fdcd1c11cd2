// What the runs, tasks and publications of a resource say together, for the table of states. Pure functions.

import { MODE, STAGE, XCOM } from "./facts.js";
import { byStart, isActive, ownTasks, startOf } from "./shape.js";

/** A task that waits longer than this for a worker is told of. */
const PATIENCE_MS = 30_000;
const ENDED = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);
const AT_WORK = new Set(["running", "restarting", "up_for_reschedule", "deferred", "awaiting_input"]);
const IN_LINE = new Set(["scheduled", "queued"]);
/** The modes of runs that do not bring the warehouse up to date. */
const ASIDE = new Set([MODE.DRY_RUN, MODE.DECIDE, MODE.INTERVAL]);

const time = (iso) => new Date(iso).getTime();
const isOpen = (task) => !ENDED.has(task.state);
const isAnswering = (task) => IN_LINE.has(task?.state) || task?.state === "running";
const APPROVE = "Approve";
const approval = (tasks) => tasks.find((task) => task.stage === STAGE.APPROVE_REMOVALS);

/** The mode that a run was started with. */
export const modeOf = (run) => run.conf?.mode ?? MODE.SYNC;

/** Names what a task left under a key, among all that was read. */
export const entryOf = (task, key) => JSON.stringify([task.dag_run_id, task.task_id, task.map_index ?? -1, key]);

/**
 * The runs whose tasks tell the state: those that are active, the newest ended ones, and the last that published.
 *
 * @param {object[]} runs in any order.
 * @param {string | null} publishedBy the id of the run of the last publication.
 */
export function tellingRuns(runs, publishedBy) {
  const ordered = byStart(runs);
  const ended = ordered.filter((run) => !isActive(run));
  const telling = [
    ...ordered.filter(isActive),
    ...ended.slice(0, 1),
    ended.find((run) => !ASIDE.has(modeOf(run))),
    ordered.find((run) => run.dag_run_id === publishedBy),
  ];
  return [...new Set(telling.filter(Boolean))];
}

/** Tells whether a publication of another run is newer than what a run would have brought. */
function isOvertaken(run, published) {
  const ended = time(run.end_date ?? startOf(run));
  return published.some(
    (report) =>
      report.runId !== run.dag_run_id &&
      !report.isDecision &&
      !report.isInterval &&
      (time(report.publishedAt) > ended || time(report.snapshotAt) > time(startOf(run))),
  );
}

/** Why a run makes no progress; null: it does, or nobody can tell. */
function hindrance(run, { active, dag, now, said, tasks }) {
  const paused = dag.is_paused ? "the Dag is paused" : null;
  if (run.state === "queued") {
    const others = active.filter((one) => one.state === "running").length;
    if (paused || !(dag.max_active_runs <= others)) return paused ?? "the scheduler has not started it yet";
    return dag.max_active_runs === 1
      ? "one run at a time (`max_active_runs`), and another one is active"
      : `${dag.max_active_runs} runs at a time (\`max_active_runs\`), and as many are active`;
  }
  const open = tasks.filter(isOpen);
  if (open.some((task) => AT_WORK.has(task.state) || task.state === "up_for_retry")) return null;
  if (paused) return paused;
  return inLine(open, { now, said });
}

/** Why tasks that stand in a line do not start; null: they just got there. */
function inLine(tasks, { now, said }) {
  const line = tasks.filter((task) => IN_LINE.has(task.state));
  for (const { pool: name } of line.filter((task) => task.state === "scheduled")) {
    const pool = said?.pools[name];
    if (pool && pool.open_slots <= 0)
      return pool.slots === 0
        ? `the pool \`${name}\` has no slot`
        : `all ${pool.slots} slots of the pool \`${name}\` are taken`;
  }
  const since = (task) => time(task.queued_when ?? task.scheduled_when ?? Number.NaN);
  if (!line.some((task) => now - since(task) > PATIENCE_MS)) return null;
  const free = line.some((task) => task.state === "queued") ? "worker" : `slot of the pool \`${line[0].pool}\``;
  return `its tasks wait for a free ${free}`;
}

/** The stage that a run is in, and its shards. */
function progress(run, tasks) {
  const shards = tasks.filter((task) => task.stage === STAGE.EXTRACT);
  const at = tasks.find((task) => AT_WORK.has(task.state) && task.stage !== STAGE.EXTRACT);
  return { run, shards, stage: at?.stage ?? (shards.some(isOpen) ? STAGE.EXTRACT : null), tasks };
}

/**
 * What is to be said of a resource, each thing once: what waits, failed, is tried again, runs.
 *
 * @param {object} facts dag, runs, tasks (of `tellingRuns`), latest (the last publication or null), published,
 *   waiting (open questions; null: not known), said (what the tasks left, see `wanted`; null: not known), resource,
 *   now, peers (further runs of the Dag, where `runs` are not all).
 */
export function look(facts) {
  const { dag, latest, now, resource = null, runs, said = null, waiting } = facts;
  const published = facts.published ?? (latest ? [latest] : []);
  const all = ownTasks(facts.tasks ?? [], resource);
  const of = (run) => all.filter((task) => task.dag_run_id === run.dag_run_id);
  const left = (task, key) => said?.entries[entryOf(task, key)] ?? null;
  const ordered = byStart(runs);
  const active = ordered.filter((run) => isActive(run) && !(of(run).length && !of(run).some(isOpen)));

  const names = all.filter((task) => task.stage === STAGE.APPROVE_REMOVALS).map((task) => task.task_id);
  const isOwn = ({ task_instance: { task_id: id } }) =>
    names.includes(id) || id === STAGE.APPROVE_REMOVALS || resource === null || id.startsWith(`${resource}.`);
  // Who may not read the questions sees by the tasks that one waits.
  const asks = (one) => one.stage === STAGE.APPROVE_REMOVALS && ["awaiting_input", "deferred"].includes(one.state);
  const questions = waiting?.filter(isOwn) ?? all.filter(asks).map((one) => ({ subject: "", task_instance: one }));
  const asking = new Set(questions.map((one) => one.task_instance.dag_run_id));

  // An answer counts when the task that asked has taken it, which may wait for a slot as well.
  const takes = (run) => said?.answers[run.dag_run_id] ?? null;
  const isApproved = ({ asked, run }) =>
    asked?.state === "success" || (isAnswering(asked) && takes(run)?.chosen_options?.[0] === APPROVE);
  const approved = ordered
    .map((run) => ({ asked: approval(of(run)), removal: of(run).find((task) => task.stage === STAGE.REMOVE), run }))
    .filter((one) => one.removal && isApproved(one))
    .map((one) => ({ ...one, answer: takes(one.run) }))
    .filter(({ removal }) => !["success", "skipped", "removed"].includes(removal.state))
    .filter(({ run }) => !isOvertaken(run, published));
  const removing = new Set(approved.map(({ run }) => run.dag_run_id));

  const retrying = active
    .map((run) => ({ run, tasks: of(run).filter((task) => task.state === "up_for_retry") }))
    .filter(({ run, tasks }) => tasks.length && !removing.has(run.dag_run_id));
  const isTold = (run) =>
    asking.has(run.dag_run_id) ||
    removing.has(run.dag_run_id) ||
    retrying.some((one) => one.run === run) ||
    of(run).some((task) => task.state === "awaiting_input");
  // Of one run alone it is not known which others are active.
  const peers = facts.peers?.filter(isActive) ?? active;
  const others = active
    .filter((run) => !isTold(run))
    .map((run) => ({ ...progress(run, of(run)), why: hindrance(run, { active: peers, dag, now, said, tasks: of(run) }) }));

  const broken = (run) => of(run).filter((task) => task.state === "failed");
  const concerns = (run) =>
    !of(run).length || of(run).some((task) => task.state === "failed" || task.state === "upstream_failed");
  const failure = (run) => ({ broken: broken(run), run });
  const hasFailed = (run) => run?.state === "failed" && concerns(run) && !removing.has(run.dag_run_id);
  const ended = ordered.filter((run) => !isActive(run));
  const synced = ended.find((run) => !ASIDE.has(modeOf(run)));
  const isOver = (run) => isOvertaken(run, published);
  const hasPublished = (run) => latest?.runId === run.dag_run_id;
  const undecided = active.some((run) => !of(run).length || isOpen(approval(of(run)) ?? { state: null }));
  return {
    dag,
    latest,
    now,
    published,
    questions,
    left,
    // Why tasks that stand in a line do not start.
    lineOf: (tasks) => inLine(tasks, { now, said }),
    all,
    approved,
    retrying,
    running: others.filter((one) => one.why === null),
    blocked: others.filter((one) => one.why !== null),
    failed: hasFailed(synced) && !hasPublished(synced) && !isOver(synced) ? failure(synced) : null,
    brokenLater: hasFailed(synced) && hasPublished(synced) ? failure(synced) : null,
    failedAside: hasFailed(ended[0]) && ended[0] !== synced && !isOver(ended[0]) ? failure(ended[0]) : null,
    // Whether it is known that nobody is asked about what is held, nor about to be.
    isUnasked: waiting?.length === 0 && !undecided && !approved.length && Boolean(latest?.held),
    decision: said?.decision ?? null,
    hasRuns: runs.length > 0,
    active,
    of,
    ended: synced ?? null,
    runs,
  };
}

/**
 * What is to be read of the tasks and pools, before the state can be told whole.
 *
 * @returns {{entries: {task: object, key: string}[], answers: object[], pools: string[], isDecided: boolean}} answers:
 *   the runs whose task may have an answer that it has not taken yet. isDecided: read the last decision on held removals.
 */
export function wanted(facts) {
  const seen = look(facts);
  const of = (key) => (task) => ({ key, task });
  const broken = [seen.failed, seen.brokenLater, seen.failedAside].flatMap((one) => one?.broken ?? []);
  const removals = seen.approved.map((one) => one.removal);
  const retried = [...seen.retrying.flatMap((one) => one.tasks), ...removals];
  return {
    entries: [
      ...seen.questions.map((one) => one.task_instance).map(of(XCOM.QUESTION)),
      ...[...broken, ...removals].filter((task) => task.state === "failed").map(of(XCOM.CAUSE)),
      ...retried.filter((task) => task.state === "up_for_retry").map(of(XCOM.RETRY)),
      ...seen.approved.map((one) => one.asked).map(of(XCOM.DECISION)),
    ],
    answers: seen.active.filter((run) => isAnswering(approval(seen.of(run)))),
    pools: [...new Set(seen.all.filter((task) => task.state === "scheduled").map((task) => task.pool))],
    isDecided: seen.isUnasked,
  };
}
