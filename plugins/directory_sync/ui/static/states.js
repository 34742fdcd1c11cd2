// The table of states of a directory: the newest publication against the newest run, in order of precedence.

import { MODE, PROOF, STAGE, XCOM } from "./facts.js";
import { look, modeOf } from "./standing.js";
import { scheduleSeconds, startOf } from "./shape.js";
import { ago, atClock, clock, counted, interval, listed } from "./words.js";

/** A publication that is older than this many intervals of the schedule is out of date. */
const LATE_INTERVALS = 1.5;

const dagPath = (dag) => `/dags/${encodeURIComponent(dag.dag_id)}`;
const runPath = (run) => `/dags/${encodeURIComponent(run.dag_id)}/runs/${encodeURIComponent(run.dag_run_id)}`;

/** The path of a task instance in Airflow's interface, or of a tab of it. */
export const taskPath = (task, part = "") =>
  `${runPath(task)}/tasks/${encodeURIComponent(task.task_id)}${task.map_index >= 0 ? `/mapped/${task.map_index}` : ""}${part && `/${part}`}`;

const watch = ({ run }) => ({ text: "Watch it", to: runPath(run) });
const openLog = ({ broken, run }) =>
  broken.length ? { text: "Open its log", to: taskPath(broken[0]) } : { text: "Open the run", to: runPath(run) };

/** Tells whether a publication is older than the schedule allows; null: there is no schedule. */
export function lateness(dag, runs, snapshotAt, now) {
  const seconds = scheduleSeconds(dag, runs);
  if (seconds === null) return null;
  return { seconds, isLate: (now - new Date(snapshotAt)) / 1000 > LATE_INTERVALS * seconds };
}

/** How many entries the directory has now. */
export const entriesNow = (report) => report.current ?? report.entries;

const entriesOf = (report) => counted(entriesNow(report), "entry", "entries");
const removals = (number) => counted(number, "removal");

/** What the warehouse holds, in a sentence. */
export function holding({ latest, now }) {
  if (!latest) return "Nothing is published yet.";
  const read = ago(latest.snapshotAt, now);
  return latest.proof === PROOF.WALK
    ? `The warehouse holds ${entriesOf(latest)}, read ${read}; it is not proven that these are all.`
    : `The warehouse holds all ${entriesOf(latest)}, read ${read}.`;
}

/** The first sentence of a message, and the rest of it. */
export function firstSentence(text) {
  const [, first, rest] = /^(.+?[^.][.!?])\s+(?=[A-Z`])(.+)$/s.exec(text) ?? [null, text, ""];
  return [first.trim(), rest.trim()];
}

const parsed = (value) => (typeof value === "string" ? value.trim() : "");

/** Why a run failed: what its tasks left; else what its note says; else nothing. */
export function causeOf({ broken, run }, { left }) {
  const causes = broken.map((task) => parsed(left(task, XCOM.CAUSE))).filter(Boolean);
  if (causes.length) return causes[0];
  const line = (run.note ?? "").split("\n").find((one) => one.startsWith("✖ ")) ?? "";
  return line.replace(/^✖ /, "").replace(/\*\*(.+?)\*\*\s*/, "").replace(/; [\d,]+ s$/, "");
}

const named = (tasks) => listed([...new Set(tasks.map((task) => task.task_id))].map((id) => `\`${id}\``));

const RUNS = {
  [MODE.DRY_RUN]: "dry run",
  [MODE.DECIDE]: "decision",
  [MODE.INTERVAL]: "run of an interval",
  [MODE.REPLAY]: "replay",
  [MODE.REWRITE]: "rewrite",
};
const kindOf = (run) => RUNS[modeOf(run)] ?? "run";

function broke(failure, seen, how = "failed") {
  const { broken, run } = failure;
  const [first] = firstSentence(causeOf(failure, seen));
  const of = `The ${kindOf(run)} of ${ago(startOf(run), seen.now)} ${how}`;
  if (first) return `${of}: ${first}`;
  return `${of}${broken.length ? ` in ${named(broken)}` : ""}.`;
}

/** Which try comes, and when: "2 of 4, next at 18:12". */
function tryOf(retry, now) {
  const next = retry.next_at ? `next ${atClock(retry.next_at, now)}` : "next soon";
  if (Number.isInteger(retry.tries)) return `${retry.try} of ${retry.tries}, ${next}`;
  return [`try ${retry.try}`, next, retry.until && `until ${clock(retry.until, now)}`].filter(Boolean).join(", ");
}

const retryOf = (tasks, { left }) => tasks.map((task) => left(task, XCOM.RETRY)).find(Boolean) ?? null;

function removalPending({ asked, removal, run }, seen) {
  const retry = retryOf([removal], seen);
  const [cause] = firstSentence(causeOf({ broken: [removal], run }, seen));
  const waits = { queued: "no worker is free yet", running: "it is being carried out" };
  if (asked.state !== "success") return seen.lineOf([asked]) ?? "the answer is being taken";
  if (removal.state === "failed") return cause || "its task failed";
  if (removal.state === "upstream_failed") return "a task before it failed";
  if (removal.state === "up_for_retry")
    return retry ? `it is tried again (${tryOf(retry, seen.now)}): ${firstSentence(retry.cause)[0]}` : "it is tried again";
  if (seen.dag.is_paused) return "the Dag is paused";
  return waits[removal.state] ?? seen.lineOf([removal]) ?? "its task has not started yet";
}

const STAGES_AT_WORK = {
  [STAGE.AUDIT]: "it proves and compares what it read",
  [STAGE.PUBLISH]: "it publishes the difference",
  [STAGE.APPROVE_REMOVALS]: "it looks whether a person must decide",
  [STAGE.REMOVE]: "it carries out the removal",
};

function atWork({ shards, stage }) {
  if (stage !== STAGE.EXTRACT) return STAGES_AT_WORK[stage] ?? "its tasks begin";
  const needed = shards.filter((task) => task.state !== "skipped");
  const done = needed.filter((task) => task.state === "success").length;
  return `it reads the directory, ${done} of ${counted(needed.length, "shard")} done`;
}

/** A decision, from the answer that the task has not taken yet. */
const decisionOfAnswer = (answer) =>
  answer && {
    at: answer.responded_at,
    by: answer.responded_by_user?.name ?? "",
    choice: "approved",
    reason: answer.params_input?.reason ?? "",
  };

const who = (decision) => (decision.by ? ` by ${decision.by}` : "");
const when = (decision, now) => (decision.at ? ` ${atClock(decision.at, now)}` : "");

/** How a question was answered, in the beginning of a sentence. */
export function answered(decision, now) {
  const why = decision.reason ? ` (“${decision.reason}”)` : "";
  if (decision.choice === "unanswered") return `Nobody decided in time${when(decision, now)}`;
  const word = { approved: "Approved", rejected: "Rejected", stale: "Approved too late" }[decision.choice];
  return `${word ?? "Decided"}${who(decision)}${when(decision, now)}${why}`;
}

function rejection({ latest, now, decision }) {
  const held = `${removals(latest.held)} ${latest.held === 1 ? "is" : "are"} held`;
  if (!decision || decision.choice === "approved") return `${held}; nobody is asked at present.`;
  return `${answered(decision, now)}: ${held}.`;
}

function askedAgain({ now, decision }) {
  if (!decision || decision.choice === "approved") return "";
  const again = decision.asksAgainAt ? ` at the first run after ${clock(decision.asksAgainAt, now)}, or` : "";
  return `You are asked again${again} when more go missing.`;
}

/**
 * The states, the most urgent first. The first that matches is the headline; the others are notices.
 *
 * Each has `find`: what it applies to, among what `look` saw, an item for each; `level`; `say`: a sentence about an
 * item; `action`: where to go, or null. `isNotice`: it is never the headline. `isBase`: it is only the headline.
 */
export const STATES = [
  {
    name: "waits for you",
    find: ({ questions }) => questions,
    level: () => "warning",
    say: (question, { left, now }) => {
      const until = left(question.task_instance, XCOM.QUESTION)?.until;
      const subject = question.subject || "A decision is needed.";
      return `Waits for you${until ? ` until ${clock(until, now)}` : ""}: ${subject}`;
    },
    action: ({ task_instance: task }) => ({ text: "Decide", to: taskPath(task, "required_actions") }),
  },
  {
    name: "removal pending",
    find: ({ approved }) => approved,
    level: ({ removal }) => (removal.state === "failed" ? "error" : "warning"),
    say: (one, seen) => {
      const decision = seen.left(one.asked, XCOM.DECISION) ?? decisionOfAnswer(one.answer);
      const approval = decision ? answered(decision, seen.now) : "Approved";
      return `${approval}, the removal is pending: ${removalPending(one, seen).replace(/\.$/, "")}.`;
    },
    action: ({ removal }) => ({ text: removal.state === "failed" ? "Open its log" : "Open the task", to: taskPath(removal) }),
  },
  {
    name: "failed",
    find: ({ failed }) => (failed ? [failed] : []),
    level: () => "error",
    say: (failure, seen) => broke(failure, seen),
    rest: (failure, seen) => firstSentence(causeOf(failure, seen))[1],
    action: openLog,
  },
  {
    name: "retrying",
    find: ({ retrying }) => retrying,
    level: () => "warning",
    say: ({ tasks }, seen) => {
      const retry = retryOf(tasks, seen);
      return retry
        ? `Retrying (${tryOf(retry, seen.now)}): ${firstSentence(parsed(retry.cause))[0]}`
        : `Retrying: ${named(tasks)} failed and is tried again.`;
    },
    rest: ({ tasks }, seen) => firstSentence(parsed(retryOf(tasks, seen)?.cause))[1],
    action: ({ tasks }) => ({ text: "Open its log", to: taskPath(tasks[0]) }),
  },
  {
    name: "rejected",
    find: ({ isUnasked }) => (isUnasked ? [true] : []),
    level: () => "warning",
    say: (_, seen) => rejection(seen),
    rest: (_, seen) => askedAgain(seen),
    action: (_, { dag }) => ({ text: "Open the Dag", to: dagPath(dag) }),
  },
  {
    name: "running",
    find: ({ running }) => running,
    level: () => "info",
    say: (one, { now }) => `A ${kindOf(one.run)} is on: ${atWork(one)}; it started ${ago(startOf(one.run), now)}.`,
    shards: (one) => one.shards,
    action: watch,
  },
  {
    name: "a run waits",
    find: ({ blocked }) => blocked,
    level: () => "warning",
    say: ({ why }) => `A run waits: ${why}.`,
    action: watch,
  },
  {
    name: "failed afterwards",
    isNotice: true,
    find: ({ brokenLater, failedAside }) => [
      ...(brokenLater ? [{ ...brokenLater, how: "failed after its publication" }] : []),
      ...(failedAside ? [failedAside] : []),
    ],
    level: () => "warning",
    say: (failure, seen) => broke(failure, seen, failure.how),
    action: openLog,
  },
  {
    name: "late",
    // A failure says itself that the publication is old.
    find: ({ dag, failed, latest, now, runs }) => {
      const late = latest && !failed && lateness(dag, runs, latest.snapshotAt, now);
      return late?.isLate ? [late] : [];
    },
    level: () => "warning",
    say: (late, { latest, now }) =>
      `Out of date: the ${entriesOf(latest)} were read ${ago(latest.snapshotAt, now)}, a run is due every ${interval(late.seconds)}.`,
    action: () => null,
  },
  {
    name: "not proven",
    isBase: true,
    find: ({ latest }) => (latest?.proof === PROOF.WALK ? [latest] : []),
    level: () => "warning",
    say: (latest, { now }) =>
      `${entriesOf(latest)}, read ${ago(latest.snapshotAt, now)}; it is not proven that these are all.`,
    action: () => null,
  },
  {
    name: "complete",
    isBase: true,
    find: ({ latest }) => (latest ? [latest] : []),
    level: (latest, { brokenLater }) => (latest.held || brokenLater ? "warning" : "ok"),
    say: (latest, { brokenLater, now }) => {
      const held = latest.held ? `; ${removals(latest.held)} ${latest.held === 1 ? "is" : "are"} held` : "";
      const later = brokenLater ? "; a later task of the run failed" : "";
      return `Complete: all ${entriesOf(latest)}, read ${ago(latest.snapshotAt, now)}${held}${later}.`;
    },
    action: () => null,
  },
  {
    name: "nothing published",
    isBase: true,
    find: ({ latest }) => (latest ? [] : [true]),
    level: (_, { dag }) => (dag.is_paused ? "warning" : "info"),
    say: (_, { dag, now }) => {
      if (dag.is_paused) return "Nothing is published yet, and the Dag is paused.";
      const due = dag.next_dagrun_run_after;
      return `Nothing is published yet.${due && new Date(due) > now ? ` The next run is due ${ago(due, now)}.` : ""}`;
    },
    action: () => null,
  },
];

/** The states among rows that apply to what was seen, in their order. */
export const applying = (rows, seen) =>
  rows.flatMap((row) =>
    row.find(seen).map((item) => ({
      name: row.name,
      isBase: row.isBase ?? false,
      isNotice: row.isNotice ?? false,
      level: row.level(item, seen),
      text: row.say(item, seen),
      rest: row.rest?.(item, seen) ?? "",
      shards: row.shards?.(item, seen) ?? [],
      action: row.action(item, seen),
    })),
  );

/** The states of a directory that apply, the headline first. */
export function statesOf(facts) {
  const all = applying(STATES, look(facts));
  const first = all.find((state) => !state.isNotice);
  return [first, ...all.filter((state) => state !== first && !state.isBase)];
}
