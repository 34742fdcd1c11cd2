// The line on the proof and the time of a run, which opens; and what helps where requests were refused.

import { PROOF } from "./facts.js";
import { ui } from "./lent.js";
import { Problem, Sign, h } from "./parts.js";
import { measured, median, stageTimes } from "./shape.js";
import { Proof, Stages } from "./trends.js";
import { count, counted, duration } from "./words.js";

const { Box, Flex, SimpleGrid, Text } = ui;

/** How completeness was proven, in a few words. */
export function proofWords({ joints, proof, windows }) {
  switch (proof) {
    case PROOF.CHAIN:
      return `Proven complete: ${counted(windows, "window")}, ${counted(joints, "joint")}`;
    case PROOF.REREAD:
      return `Proven complete by reading ${counted(joints, "page")} again`;
    case PROOF.WALK:
      return "Not proven: the API's own links were followed";
    default:
      return `Proof: ${proof || "not known"}`;
  }
}

/** The proof, the requests and the time of a publication in one line; `times` are those of `stageTimes`. */
export function proofLine(latest, times) {
  const total = times.find((run) => run.runId === latest.runId)?.total ?? null;
  const usual = median(times.filter((run) => run.runId !== latest.runId).map((run) => run.total));
  const took = total === null ? "" : `; took ${duration(total)}`;
  const beside = total === null || usual === null ? "" : `, usually ${duration(usual)}`;
  return `${proofWords(latest)}, ${counted(latest.requests, "request")}${took}${beside}.`;
}

/** What helps where the API refused requests; null where it refused none. */
export function refusedHint(latest, times = []) {
  if (!latest.refused) return null;
  const seconds = times.find((run) => run.runId === latest.runId)?.extract ?? null;
  const rate = seconds > 0 ? ` This run sent about ${Number((latest.requests / seconds).toPrecision(2))} a second.` : "";
  const connection = latest.connection ? `the connection ${latest.connection}` : "the connection to the API";
  const was = latest.refused === 1 ? "was" : "were";
  return (
    `The API refused ${count(latest.refused)} of ${counted(latest.requests, "request")} as too many (429); they ${was} ` +
    `repeated, which costs time. Set requests_per_second in the extra of ${connection} to what the API allows.${rate}`
  );
}

export const Refused = ({ latest, times }) => {
  const text = refusedHint(latest, times);
  return (
    text &&
    h(
      Flex,
      { align: "center", borderRadius: "lg", borderWidth: 1, gap: 3, px: 3, py: 2 },
      h(Sign, { level: "info" }),
      h(Text, { fontSize: "sm", minW: 0, overflowWrap: "anywhere" }, text),
    )
  );
};

/** The line, which opens to the tables. `runs`, `tasks` and `reading` are those of the time per stage. */
export function ProofAndTime({ latest, published, reading, resource, runs, tasks }) {
  const ended = runs.length === 1 ? runs.filter((run) => run.end_date) : measured(runs, published);
  const times = stageTimes(ended, tasks, resource);
  return h(
    Box,
    { as: "section", "aria-label": "Proof and time", borderRadius: "lg", borderWidth: 1, minW: 0, px: { base: 3, md: 4 }, py: 2 },
    reading.error && h(Problem, { error: reading.error, what: "the tasks" }),
    h(
      "details",
      null,
      h(Box, { as: "summary", cursor: "pointer", fontSize: "sm", overflowWrap: "anywhere" }, proofLine(latest, times)),
      h(
        SimpleGrid,
        { columns: { base: 1, lg: 2 }, gap: 4, mb: 2, mt: 3 },
        h(Proof, { latest, published }),
        !reading.error && h(Stages, { published, reading, resource, runs, tasks }),
      ),
    ),
  );
}
