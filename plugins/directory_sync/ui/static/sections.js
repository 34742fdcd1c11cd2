// The parts of the page, in their order: the verdict, the numbers, the runs, the findings, the fields.

import { RunsChart, RunsTable } from "./charts.js";
import { driftWords } from "./drift.js";
import { ui } from "./lent.js";
import { BarList, Choice, Copied, Inner, InnerButton, LEVELS, Moment, Section, Sign, Tag, Tile, h } from "./parts.js";
import { changesQuery } from "./queries.js";
import { drifts } from "./shape.js";
import { entriesNow } from "./states.js";
import { count, counted, moment } from "./words.js";

const { useState } = globalThis.React;
const { Box, Button, Flex, SimpleGrid, Text } = ui;

export const PUBLICATIONS = "the publications (asset events)";

/** The choices of the range: how many publications are shown. */
export const RANGES = { 30: "Last 30", 90: "Last 90", all: "All" };

/** The first sentence, and below it the changes of the last run. */
export const Verdict = ({ level, text, detail, children }) =>
  h(
    Flex,
    {
      align: "flex-start",
      bg: LEVELS[level].ground,
      borderColor: `${LEVELS[level].palette}.solid`,
      borderRadius: "lg",
      borderStartWidth: 4,
      gap: 3,
      p: { base: 3, md: 4 },
    },
    h(Sign, { level, size: 8 }),
    h(
      Box,
      { flex: 1, minW: 0 },
      h(
        Text,
        {
          as: "h2",
          "data-testid": "headline",
          fontSize: { base: "lg", md: "xl" },
          fontWeight: "semibold",
          lineHeight: "1.35",
        },
        text,
      ),
      detail && h(Text, { fontSize: "md" }, detail),
      children,
    ),
  );

export const Notices = ({ notices }) =>
  notices.length > 0 &&
  h(
    Box,
    { as: "ul", "aria-label": "What to look at", borderRadius: "lg", borderWidth: 1, listStyleType: "none" },
    notices.map(({ level, text, to, action }, index) =>
      h(
        Flex,
        {
          align: "center",
          as: "li",
          borderTopWidth: index ? 1 : 0,
          gap: 3,
          key: `${level} ${text}`,
          px: 3,
          py: 2,
        },
        h(Sign, { level }),
        h(Text, { flex: 1, fontSize: "sm", minW: 0, overflowWrap: "anywhere" }, text),
        to && h(InnerButton, { to }, action),
      ),
    ),
  );

const and = (number, words) => (number ? `and ${count(number)} ${words}` : null);

function sinceBefore(latest, before) {
  if (!before) return null;
  const more = entriesNow(latest) - entriesNow(before);
  return more
    ? `${more > 0 ? "+" : "−"}${count(Math.abs(more))} since the run before`
    : "as many as the run before";
}

/** The counts of a publication; `before` is the publication before it. */
export const Counts = ({ latest, before, children }) =>
  h(
    SimpleGrid,
    { as: "dl", columns: { base: 2, md: 3, xl: children ? 6 : 5 }, gap: 3 },
    h(Tile, { detail: sinceBefore(latest, before), label: "Entries", value: count(entriesNow(latest)) }),
    h(Tile, {
      detail: and(latest.changes.returned, "returned"),
      label: "Added",
      value: count(latest.changes.added),
    }),
    h(Tile, {
      detail: and(latest.changes.reshaped, "in a new shape"),
      label: "Changed",
      value: count(latest.changes.changed),
    }),
    h(Tile, {
      detail: and(latest.changes.missing, "missing, not removed yet"),
      label: "Removed",
      value: count(latest.changes.removed),
    }),
    h(Tile, {
      detail: latest.held ? `${count(latest.newly_held)} of them since this run` : "no removal waits",
      label: "Held removals",
      level: latest.held ? "warning" : undefined,
      value: count(latest.held),
    }),
    children,
  );

export const LastPublished = ({ at, late, due, now }) =>
  h(Tile, {
    detail: due && new Date(due) > now ? ["next run ", h(Moment, { at: due, key: "due", now })] : null,
    label: "Last published",
    level: late?.isLate ? "warning" : undefined,
    value: h(Box, { as: "span", fontSize: "lg" }, h(Moment, { at, now })),
  });

/** The charts, or their data as a table. */
export function Runs({ dagId, points, range, onRange, total }) {
  const [isTable, setTable] = useState(false);
  const aside = h(
    Flex,
    { gap: 3, wrap: "wrap" },
    h(Choice, { label: "How many runs", onChoose: onRange, options: Object.entries(RANGES), value: range }),
    h(
      Button,
      {
        "aria-pressed": isTable,
        onClick: () => setTable(!isTable),
        size: "xs",
        variant: isTable ? "solid" : "outline",
      },
      "Table",
    ),
  );
  return h(
    Section,
    { aside, title: "Runs" },
    points.length === 0
      ? h(Text, { fontSize: "sm" }, "No run has published anything yet.")
      : h(isTable ? RunsTable : RunsChart, { dagId, points }),
    total !== null &&
      h(
        Text,
        { color: "fg.muted", fontSize: "xs", mt: 1 },
        `The newest ${count(total)} publications; older ones are not read.`,
      ),
  );
}

/** Which fields of the changed entries differ, and where to look them up. */
export const Fields = ({ latest, isLast = true }) =>
  h(
    Section,
    { title: isLast ? "Changed fields, last run" : "Changed fields" },
    Object.keys(latest.changedFields).length === 0
      ? h(
          Text,
          { color: "fg.muted", fontSize: "sm" },
          latest.isFirst ? "The first load changes no field." : "No field changed.",
        )
      : h(BarList, { counts: latest.changedFields, noun: "fields" }),
    Object.values(latest.changes).some(Boolean) &&
      !latest.isDry &&
      h(
        Box,
        { mt: 3 },
        h(Text, { color: "fg.muted", fontSize: "xs", mb: 1 }, "To see these entries in the warehouse:"),
        h(Copied, { label: "SQL: all changes", text: changesQuery(latest) }),
      ),
  );

const LEVEL_OF = { error: "error", hold: "warning", warning: "warning" };

/** The findings of the last run, and earlier drift of the schema. */
export function Findings({ latest, published }) {
  const earlier = drifts(published.filter((report) => report !== latest));
  return h(
    Section,
    { title: "Schema drift and findings" },
    latest.findings.length === 0
      ? h(Text, { fontSize: "sm" }, "✓ The checks of the run found nothing.")
      : h(
          Box,
          { as: "ul", listStyleType: "none" },
          latest.findings.map(({ rule, level, message }, index) =>
            h(
              Flex,
              { align: "baseline", as: "li", gap: 2, key: index, mb: 1.5 },
              h(Tag, { level: LEVEL_OF[level] ?? "info" }, rule === "fields" ? "schema drift" : level),
              h(Text, { fontSize: "sm", minW: 0, overflowWrap: "anywhere" }, message),
            ),
          ),
          driftWords(latest).map((text) =>
            h(Text, { as: "li", fontSize: "sm", key: text, mb: 1.5, overflowWrap: "anywhere" }, text),
          ),
        ),
    earlier.length > 0 &&
      h(
        Box,
        { mt: 3 },
        h(
          Text,
          { color: "fg.muted", fontSize: "xs", mb: 1 },
          `Drift in the ${counted(published.length - 1, "run")} before:`,
        ),
        h(
          Box,
          { as: "ul", listStyleType: "none", maxH: "180px", overflow: "auto", tabIndex: 0 },
          earlier
            .slice(0, 20)
            .map(({ message, report }, index) =>
              h(
                Text,
                { as: "li", fontSize: "sm", key: index, overflowWrap: "anywhere" },
                `${moment(report.snapshotAt)}: ${message}`,
              ),
            ),
        ),
      ),
  );
}

export const Empty = ({ dagId }) =>
  h(
    Box,
    { borderRadius: "lg", borderStyle: "dashed", borderWidth: 1, p: 6, textAlign: "center" },
    h(Text, { fontWeight: "semibold" }, "What the first run will show here"),
    h(
      Text,
      { color: "fg.muted", fontSize: "sm", mb: 3 },
      "How many entries there are, what each run added, changed and removed, and how it was proven that no entry was missed.",
    ),
    h(Inner, { to: `/dags/${encodeURIComponent(dagId)}` }, "Open the Dag to start one"),
  );
