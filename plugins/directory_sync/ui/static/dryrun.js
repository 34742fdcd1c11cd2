// What a dry run says beside its counts: the columns that a sync would add, or why it would fail.

import { ui } from "./lent.js";
import { Problem, Rows, Section, Sign, h } from "./parts.js";
import { counted } from "./words.js";

const { Flex, Text } = ui;

const isColumn = (one) => ["table", "column", "type"].every((name) => typeof one?.[name] === "string");

/** The report of a dry run: {columns, failure}; columns: null where an older release did not try them. */
export function triedBy(extra) {
  const columns = Array.isArray(extra?.columns_to_come) ? extra.columns_to_come.filter(isColumn) : null;
  return { columns, failure: typeof extra?.would_fail === "string" ? extra.would_fail : null };
}

/** The columns and their types. `extra`: what the audit returned; null: it is not known, or may not be read. */
export function ToCome({ error, extra }) {
  if (error) return h(Problem, { error, what: "the report of the dry run" });
  const { columns, failure } = triedBy(extra);
  if (failure)
    return h(
      Flex,
      { align: "center", gap: 2 },
      h(Sign, { level: "error" }),
      h(Text, { fontSize: "sm", minW: 0, overflowWrap: "anywhere" }, `A sync would fail: ${failure}`),
    );
  if (columns === null) return null;
  return h(
    Section,
    { title: "Columns that a sync would add" },
    columns.length === 0
      ? h(Text, { fontSize: "sm" }, "None: the tables have a column for each field.")
      : h(
          "div",
          null,
          h(Text, { color: "fg.muted", fontSize: "xs", mb: 1 }, `${counted(columns.length, "column")}, with dlt's types.`),
          h(Rows, {
            columns: ["Column", "Table", "Type"],
            label: "Columns to come",
            maxH: "320px",
            rows: columns.map(({ column, table, type }) => ({ cells: [column, table, type], key: `${table}.${column}` })),
          }),
        ),
  );
}
