// The card Who: who joined, left and changed in a publication, ten of each, and the SQL for all.

import { KIND } from "./facts.js";
import { ui } from "./lent.js";
import { Copied, Problem, Section, h } from "./parts.js";
import { whoQueries } from "./queries.js";
import { readWho, useReading } from "./reading.js";
import { count, counted } from "./words.js";

const { Box, Flex, SimpleGrid, Text } = ui;

const MOST = 10;
const GROUPS = ["joined", "left", "changed"];

/** How many joined, left and changed, as the publication counts them. */
export const countsOf = ({ changes }) => ({
  joined: changes[KIND.ADDED] + changes[KIND.RETURNED],
  left: changes[KIND.REMOVED],
  changed: changes[KIND.CHANGED],
});

/** Who is named of a publication: of its own entries, and of a removal that was approved later. */
export function mergedWho(parts) {
  const found = parts.map((part) => part.who).filter(Boolean);
  const named = Object.fromEntries(
    GROUPS.map((group) => [group, found.flatMap((who) => who[group] ?? []).slice(0, MOST)]),
  );
  const all = GROUPS.flatMap((group) => named[group]);
  return {
    ...named,
    isNamed: all.length > 0,
    // The form has no `label_field`: ids and the paths of fields are all there is.
    isBare: all.length > 0 && all.every((item) => item.label === null),
    why: found.length ? null : (parts.find((part) => part.why)?.why ?? null),
  };
}

const shownValue = (value) => (value === null ? "–" : value === "" ? "(empty)" : value);

/** A field that changed: its path, and its value before and now. */
const Field = ({ field: { path, old, new: now }, isBare }) =>
  h(
    Box,
    { as: "li", fontSize: "xs", mt: 1, overflowWrap: "anywhere" },
    h(Text, { as: "span", fontFamily: "mono" }, path === "*" ? "a field whose name is data" : path),
    !isBare &&
      path !== "*" &&
      h(
        Text,
        { ps: 3 },
        h(Text, { as: "span", color: "fg.muted" }, shownValue(old)),
        h("span", { "aria-label": "became" }, " → "),
        h(Text, { as: "span", fontWeight: "medium" }, shownValue(now)),
      ),
  );

const Name = ({ item: { id, label } }) => [
  h(Text, { as: "span", key: "label" }, label ?? id),
  label !== null && h(Text, { as: "span", color: "fg.muted", fontSize: "xs", key: "id" }, ` ${id}`),
];

const Item = ({ item, isBare }) =>
  h(
    Box,
    { as: "li", fontSize: "sm", mb: 1, minW: 0, overflowWrap: "anywhere" },
    item.fields
      ? h(
          "details",
          null,
          h(
            Box,
            { as: "summary", cursor: "pointer" },
            h(Name, { item }),
            h(Text, { as: "span", color: "fg.muted", fontSize: "xs" }, ` · ${counted(item.fields.length, "field")}`),
          ),
          h(
            Box,
            { as: "ul", listStyleType: "none", mb: 2, ps: 3 },
            item.fields.map((field) => h(Field, { field, isBare, key: field.path })),
          ),
        )
      : h(Name, { item }),
  );

const Group = ({ group, items, isBare, query, total }) =>
  h(
    Box,
    { "aria-label": `Who ${group}`, minW: 0, role: "group" },
    h(Text, { as: "h3", fontSize: "sm", fontWeight: "semibold", mb: 1 }, `${count(total)} ${group}`),
    items.length > 0 &&
      h(
        Box,
        { as: "ul", listStyleType: "none" },
        items.map((item) => h(Item, { isBare, item, key: item.id })),
      ),
    items.length > 0 &&
      total > items.length &&
      h(Text, { color: "fg.muted", fontSize: "xs", mb: 1 }, `and ${count(total - items.length)} more`),
    total > 0 &&
      query !== null &&
      h(
        "details",
        null,
        h(
          Box,
          { as: "summary", color: "fg.muted", cursor: "pointer", fontSize: "xs" },
          total === 1 ? "SQL" : `SQL for all ${count(total)}`,
        ),
        h(Copied, { label: `SQL: who ${group}`, text: query }),
      ),
  );

/** The card. `latest` is a publication, or the report of a dry run. */
export function Who({ dagId, latest }) {
  const counts = countsOf(latest);
  const isAny = GROUPS.some((group) => counts[group]);
  const { runId, resource, syncIds } = latest;
  const reading = useReading(
    isAny ? `who ${dagId} ${resource} ${runId} ${syncIds}` : null,
    (signal) => readWho({ dagId, resource, runId, syncIds }, signal),
    { isOnce: true },
  );
  const who = mergedWho(reading.data ?? []);
  const queries = whoQueries(latest);
  return h(
    Section,
    { title: "Who" },
    reading.error && h(Problem, { error: reading.error, what: "the names of the entries" }),
    isAny
      ? h(
          SimpleGrid,
          { columns: { base: 1, md: 3 }, gap: 4 },
          GROUPS.map((group) =>
            h(Group, {
              group,
              isBare: who.isBare,
              items: who[group],
              key: group,
              query: latest.isDry ? null : queries[group],
              total: counts[group],
            }),
          ),
        )
      : h(Text, { fontSize: "sm" }, "Nobody joined, left or changed."),
    (who.isBare || who.why) &&
      h(
        Flex,
        { mt: 3 },
        h(
          Text,
          { color: "fg.muted", fontSize: "xs" },
          who.why ?? "Names and values are shown where the form names a label_field of the resource.",
        ),
      ),
  );
}
