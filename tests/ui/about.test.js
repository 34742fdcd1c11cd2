// Which code runs, and what this Airflow does not have.

import assert from "node:assert/strict";
import { test } from "node:test";

import { about } from "./page.js";

const facts = { version: "0.1.0", airflow: "3.1.8", absent: [], notRun: [] };

test("the code is named by its version, its origin and its place", () => {
  assert.equal(
    about.codeText({ ...facts, origin: "wheel", location: "/opt/site-packages/directory_sync" }),
    "Directory sync 0.1.0, installed with pip in /opt/site-packages/directory_sync, with Airflow 3.1.8.",
  );
  assert.equal(
    about.codeText({ ...facts, origin: "folder", location: "/opt/airflow/plugins/directory_sync" }),
    "Directory sync 0.1.0, from the folder /opt/airflow/plugins/directory_sync, with Airflow 3.1.8.",
  );
});

test("a copy that does not run comes before what Airflow does not have", () => {
  const found = about.remarks({ ...facts, absent: ["No deadlines."], notRun: ["/plugins/directory_sync"] });
  assert.equal(found.length, 2);
  assert.match(found[0], /other copy of the code in \/plugins\/directory_sync does not run/);
  assert.equal(found[1], "No deadlines.");
});
