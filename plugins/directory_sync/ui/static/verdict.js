// What the page and the card say of a directory: the headline, and the notices below it.

import { KIND } from "./facts.js";
import { holding, statesOf } from "./states.js";
import { count, counted, listed } from "./words.js";

const CHANGES = [
  [KIND.ADDED, "added"],
  [KIND.RETURNED, "returned"],
  [KIND.CHANGED, "changed"],
  [KIND.RESHAPED, "in a new shape"],
  [KIND.REMOVED, "removed"],
  [KIND.MISSING, "missing but not removed"],
];

/** The changes of a publication in words; "": there are none. */
export const changesOf = (report) =>
  listed(
    CHANGES.filter(([kind]) => report.changes[kind]).map(([kind, word]) => `${count(report.changes[kind])} ${word}`),
  );

/** A sentence about the changes of a publication. */
export function changeSentence(latest, lead = "Since the run before") {
  if (latest.isFirst) return `The first load: ${counted(latest.changes.added, "entry", "entries")} added.`;
  return `${lead}: ${changesOf(latest) || "nothing changed"}.`;
}

/** What stands below the headline: the rest of a message, what the warehouse holds, what changed. */
function detailOf(state, { latest, now }) {
  if (!latest) return [state.rest, state.isBase ? "" : holding({ latest, now })].filter(Boolean).join(" ");
  if (state.isBase || state.name === "late") return changeSentence(latest, state.isBase ? undefined : "Published then");
  return [state.rest, holding({ latest, now })].filter(Boolean).join(" ");
}

/** The findings of the last publication that a person should see, and a pause. */
function furtherNotices({ dag, latest }, said) {
  const found = (latest?.findings ?? [])
    .filter((finding) => finding.level === "error")
    .map((finding) => ({ level: "error", text: finding.message }));
  const drift = (latest?.findings ?? []).filter((finding) => finding.rule === "fields");
  if (drift.length)
    found.push({ level: "warning", text: `The schema drifted. ${drift.map((one) => one.message).join(" ")}` });
  if (latest && dag.is_paused && !said.some(({ text }) => text.includes("the Dag is paused")))
    found.push({ level: "warning", text: "The Dag is paused: no run will start by itself." });
  return found;
}

/**
 * What to say of a directory.
 *
 * @param {object} facts see `look` of standing.js.
 * @returns {{headline: object, notices: object[]}} headline: {name, level, text, detail, action, shards}; a notice:
 *   {level, text, to, action}, the most urgent first.
 */
export function tell(facts) {
  const [headline, ...others] = statesOf(facts);
  const further = furtherNotices(facts, [headline, ...others]);
  const notices = others.map(({ action, level, text }) => ({ action: action?.text, level, text, to: action?.to }));
  return { headline: { ...headline, detail: detailOf(headline, facts) }, notices: [...notices, ...further] };
}
