// The table of what became of one run, for the run's tab. It shares its first states with the directory's.

import { MODE, PROOF, STAGE, XCOM } from "./facts.js";
import { look, modeOf } from "./standing.js";
import { answered, applying, STATES } from "./states.js";
import { decisionOf } from "./shape.js";
import { changesOf } from "./verdict.js";
import { counted } from "./words.js";

const SHARED = new Set(["waits for you", "removal pending", "failed", "retrying", "running", "a run waits"]);
const none = () => null;

/** The lines of a run's note without the mark of how it ended, and without its seconds. */
export const noteLines = (run) =>
  (run.note ?? "")
    .split("\n")
    .filter((line) => /^[✔✖] /.test(line))
    .map((line) => line.slice(2).replace(/; [\d,]+ s$/, ""));

const entries = (report) => counted(report.entries, "entry", "entries");
const how = (report) => (report.proof === PROOF.WALK ? "completeness is not proven" : "complete");
const skipped = (run) => noteLines(run).find((line) => line.startsWith("Skipped: "))?.slice("Skipped: ".length);

/** What an ended run published; "": nothing. */
function published({ latest }) {
  if (!latest) return "";
  if (latest.isInterval) return `This run fetched ${entries(latest)} that changed in its interval`;
  return `This run published ${entries(latest)}, ${how(latest)}`;
}

/** The states of one run that has nothing more urgent to say; `look` sees this run alone, and `dry`: what it tried. */
const OWN = [
  {
    name: "failed afterwards",
    find: ({ brokenLater }) => (brokenLater ? [brokenLater] : []),
    level: () => "warning",
    say: (_, seen) => `${published(seen)}; a later task failed.`,
    action: none,
  },
  {
    name: "rejected",
    find: ({ decided }) => (decided ? [decided] : []),
    level: () => "warning",
    say: ({ decision }, { latest, now }) =>
      `${decision ? answered(decision, now) : "Not approved"}: nothing was removed${
        latest ? `. The rest of the run is published: ${entries(latest)}` : ""
      }.`,
    action: none,
  },
  {
    name: "dry run",
    find: ({ mode }) => (mode === MODE.DRY_RUN ? [true] : []),
    level: () => "info",
    say: (_, { dry }) =>
      dry
        ? `A dry run: ${entries(dry)} read, ${how(dry)}. It published nothing; a sync would have brought ${
            changesOf(dry) || "no change"
          }.`
        : "A dry run: it published nothing.",
    action: none,
  },
  {
    name: "replay",
    find: ({ mode }) => (mode === MODE.REPLAY ? [true] : []),
    level: () => "ok",
    say: (_, { run }) => `A replay: the warehouse was rebuilt from the landing zone. ${noteLines(run)[0] ?? ""}`.trim(),
    action: none,
  },
  {
    name: "decision",
    find: ({ mode, latest }) => (mode === MODE.DECIDE ? [{ report: latest }] : []),
    level: ({ report }) => (report ? "ok" : "info"),
    say: ({ report }, { now, run }) => {
      if (!report) return `This run asked about held removals: ${noteLines(run)[0] ?? "it removed nothing"}.`;
      const by = report.decision ? answered(report.decision, now) : "Approved";
      return `${by}: ${counted(report.changes.removed, "entry", "entries")} removed.`;
    },
    action: none,
  },
  {
    name: "skipped",
    find: ({ run, latest }) => (!latest && skipped(run) ? [skipped(run)] : []),
    level: () => "info",
    say: (reason) => `This run was skipped: ${reason}`,
    action: none,
  },
  {
    name: "published",
    find: ({ latest }) => (latest ? [latest] : []),
    level: (latest) => (latest.proof === PROOF.WALK && !latest.isInterval ? "warning" : "ok"),
    say: (_, seen) => `${published(seen)}.`,
    action: none,
  },
  {
    name: "nothing published",
    find: () => [true],
    level: () => "info",
    say: (_, { run }) =>
      run.state === "success"
        ? `This run published nothing${noteLines(run).length ? `: ${noteLines(run)[0]}` : ", as nothing was newer than what is published"}.`
        : "This run has not published anything yet.",
    action: none,
  },
];

export const RUN_STATES = [...STATES.filter((state) => SHARED.has(state.name)), ...OWN];

/** What `look` sees of one run alone. `dry`: the report of a dry run, or null. */
export function lookAtRun({ dry = null, run, ...facts }) {
  const seen = look({ ...facts, runs: [run] });
  const stage = (name) => seen.all.find((task) => task.stage === name);
  const asked = stage(STAGE.APPROVE_REMOVALS);
  const isDecided = asked?.state === "success" && stage(STAGE.REMOVE)?.state === "skipped";
  const decided = isDecided ? { asked, decision: decisionOf(seen.left(asked, XCOM.DECISION)) } : null;
  return { ...seen, failed: seen.failed ?? seen.failedAside, decided, dry, mode: modeOf(run), run };
}

/** What is to be said of a run: {name, level, text, rest, action, shards}. */
export const stateOfRun = (facts) => applying(RUN_STATES, lookAtRun(facts))[0];

/** What is to be read of the tasks of a run beside what its directory's state needs: {task, key}. */
export function wantedOfRun(facts) {
  const { all, decided, mode } = lookAtRun(facts);
  const audit = all.find((task) => task.stage === STAGE.AUDIT && task.state === "success");
  return [
    ...(decided ? [{ key: XCOM.DECISION, task: decided.asked }] : []),
    ...(mode === MODE.DRY_RUN && audit ? [{ key: "return_value", task: audit }] : []),
  ];
}
