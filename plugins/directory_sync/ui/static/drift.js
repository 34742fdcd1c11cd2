// Which columns of the table drifted, in words.

const named = ([field, column]) => (field === column ? `\`${column}\`` : `\`${column}\` (field \`${field}\`)`);

/** Sentences about the columns that a publication adds, and those that are NULL from now on. */
export function driftWords({ newColumns, nullColumns }) {
  const added = Object.entries(newColumns).map(named);
  const empty = Object.entries(nullColumns).map(named);
  return [
    ...(added.length ? [`New in the table: ${added.join(", ")}.`] : []),
    ...(empty.length
      ? [`NULL from now on: ${empty.join(", ")}. Entries that left before keep their value, and so does the change log.`]
      : []),
  ];
}
