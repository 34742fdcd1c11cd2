// The SQL to copy: it runs as it is, in DuckDB and in PostgreSQL.

import { KIND } from "./facts.js";

const PLAIN = /^[a-z_][a-z0-9_]*$/;
const identifier = (name) => (PLAIN.test(name) ? name : `"${name.replaceAll('"', '""')}"`);
const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/** A table of the dataset, with its schema; a release before 0.3 did not report the schema. */
export const tableOf = ({ dataset }, table) =>
  dataset ? `${identifier(dataset)}.${identifier(table)}` : identifier(table);

const ofSyncs = ({ syncIds }) =>
  syncIds.length === 1 ? `sync_id = ${literal(syncIds[0])}` : `sync_id IN (${syncIds.map(literal).join(", ")})`;

/** All change rows of a publication, one for each entry. */
export const changesQuery = (report) =>
  `SELECT * FROM ${tableOf(report, `${report.resource}_changes`)} WHERE ${ofSyncs(report)}`;

const entries = (report, kinds) =>
  `SELECT id, kind, record\nFROM ${tableOf(report, `${report.resource}_changes`)}\n` +
  `WHERE ${ofSyncs(report)} AND kind IN (${kinds.map(literal).join(", ")})\nORDER BY id`;

/** Who joined, left and changed in a publication: a query for each. */
export const whoQueries = (report) => ({
  joined: entries(report, [KIND.ADDED, KIND.RETURNED]),
  left: entries(report, [KIND.REMOVED]),
  changed:
    `SELECT id, field, old, new\nFROM ${tableOf(report, `${report.resource}_field_changes`)}\n` +
    `WHERE ${ofSyncs(report)} AND kind = ${literal(KIND.CHANGED)}\nORDER BY id, field`,
});
