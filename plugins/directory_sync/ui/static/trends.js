// Series of numbers as tables: the time of each stage, the requests, and the proof of completeness.

import { PROOF, STAGE, STAGES } from "./facts.js";
import { ui } from "./lent.js";
import { Rows, Section, h } from "./parts.js";
import { measured, stageTimes, throughput, trend } from "./shape.js";
import { count, counted, duration } from "./words.js";

const { Text } = ui;

const LINE = "var(--chakra-colors-fg-info)";

/** Reduces values to at most `most`, by the mean of neighbours. */
function thinned(values, most) {
  const size = Math.ceil(values.length / most);
  const parts = Array.from({ length: Math.ceil(values.length / size) }, (_, place) =>
    values.slice(place * size, (place + 1) * size),
  );
  return parts.map((part) => part.reduce((sum, value) => sum + value, 0) / part.length);
}

/** A small line chart. It is decoration: the numbers beside it show the same. */
function Sparkline({ values: all, width = 90, height = 22 }) {
  if (all.length < 2) return null;
  const values = thinned(all, width / 2);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const spot = (value, index) => [
    2 + ((width - 4) * index) / (values.length - 1),
    high > low ? height - 3 - ((height - 6) * (value - low)) / (high - low) : height / 2,
  ];
  const last = spot(values.at(-1), values.length - 1);
  return h(
    "svg",
    { "aria-hidden": true, height, style: { display: "inline-block", verticalAlign: "middle" }, width },
    h("path", {
      d: values.map((value, index) => `${index ? "L" : "M"}${spot(value, index).join(",")}`).join(""),
      fill: "none",
      stroke: LINE,
      strokeWidth: 1.5,
    }),
    h("circle", { cx: last[0], cy: last[1], fill: LINE, r: 2.5 }),
  );
}

/** A table of series: the last value, the usual value and a small chart. For one run, only its values. */
function Trends({ label, runs, rows }) {
  const shown = (value, write) => (value === null ? "–" : write(value));
  const cells = ({ name, write, trend: { last, usual, values } }) => [
    name,
    shown(last, write),
    ...(runs > 1 ? [shown(usual, write), h(Sparkline, { values, width: 70 })] : []),
  ];
  const columns = runs > 1 ? [label, "Last run", "Usual", `${count(runs)} runs`] : [label, "This run"];
  return h(Rows, {
    columns,
    label,
    narrow: 3,
    rows: rows.map((row) => ({ cells: cells(row), key: row.name })),
  });
}

const stageName = (stage) => (stage === STAGE.APPROVE_REMOVALS ? `${stage} (with the wait)` : stage);

/** How long the stages took, and how fast the directory was read. */
export function Stages({ runs, tasks, resource, published, reading }) {
  const ended =
    runs.length === 1 ? runs.filter((run) => run.end_date) : measured(runs, published);
  const times = stageTimes(ended, tasks, resource);
  const stages = STAGES.map((stage) => ({
    name: stageName(stage),
    trend: trend(times.map((run) => run[stage])),
    write: duration,
  })).filter((row) => row.trend.values.length);
  const rows = [
    ...stages,
    { name: "whole run", trend: trend(times.map((run) => run.total)), write: duration },
    { name: "entries a second", trend: trend(throughput(times, published)), write: count },
  ];
  return h(
    Section,
    { height: "200px", reading, title: "Time per stage", what: "the tasks" },
    times.length === 0
      ? h(Text, { fontSize: "sm" }, "No run has ended yet.")
      : h(Trends, { label: "Stage", rows, runs: times.length }),
    times.length > 1 &&
      h(
        Text,
        { color: "fg.muted", fontSize: "xs", mt: 2 },
        `Usual: the median of the ${counted(times.length - 1, "run")} before. A retried task counts with its last try.`,
      ),
  );
}

const PROOFS = {
  [PROOF.CHAIN]: "Proven: overlapping windows link the first entry to the end.",
  [PROOF.REREAD]:
    "Proven by reading again: each page was the same before and after the next. Edits that cancel out are not detected.",
  [PROOF.WALK]: "Not proven: the API's own links led from page to page.",
};
const ORDERS = {
  observed: "Order observed: an absent entry is removed.",
  declared: "Order declared: an absent entry is removed.",
  assumed: "Order assumed: an absent entry is missing first, and removed if it is absent from the next run too.",
};

/** How completeness was proven, and how many requests the run made. */
export function Proof({ latest, published }) {
  const syncs = published.filter((report) => !report.isDecision && !report.isInterval);
  const row = (name, key = name) => ({
    name,
    trend: trend(syncs.map((report) => report[key])),
    write: count,
  });
  return h(
    Section,
    { title: "Proof and requests" },
    h(Text, { fontSize: "sm" }, PROOFS[latest.proof] ?? `Proof: ${latest.proof || "not known"}.`),
    h(Text, { fontSize: "sm", mb: 2 }, ORDERS[latest.order] ?? ""),
    h(Trends, {
      label: "Count",
      runs: syncs.length,
      rows: [
        row("windows"),
        row("joints"),
        row("joints bridged by the audit", "bridged"),
        row("requests"),
        row("retries"),
        row("refused requests", "refused"),
      ],
    }),
  );
}
