// Constants that Python has too. Written by directory_sync.ui.facts: change them there.

/** The kinds of change, as reports and tables name them. */
export const KIND = {
  ADDED: "added",
  CHANGED: "changed",
  RESHAPED: "reshaped",
  MISSING: "missing",
  REMOVED: "removed",
  RETURNED: "returned",
};

/** What shows that a snapshot is complete. */
export const PROOF = {
  CHAIN: "chain",
  REREAD: "reread",
  WALK: "walk",
};

/** The modes of a run. */
export const MODE = {
  SYNC: "sync",
  INTERVAL: "interval",
  DRY_RUN: "dry_run",
  DECIDE: "decide",
  REPLAY: "replay",
  REWRITE: "rewrite",
};

/** The tasks of a resource, in their order. */
export const STAGE = {
  EXTRACT: "extract",
  AUDIT: "audit",
  PUBLISH: "publish",
  APPROVE_REMOVALS: "approve_removals",
  REMOVE: "remove",
};

/** The tags of the Dags of this package. */
export const TAGS = ["directory", "dlt"];

/** What tasks leave for the page. */
export const XCOM = {
  CAUSE: "directory_cause",
  RETRY: "directory_retry",
  DECISION: "directory_decision",
  QUESTION: "directory_question",
};

/** The query parameters of the page. */
export const PAGE_KEY = {
  DAG: "dag",
  RESOURCE: "resource",
  RANGE: "range",
};

/** The address of the page, relative to Airflow's own. */
export const PAGE_URL = "/plugin/directory";

export const KINDS = Object.values(KIND);
export const STAGES = Object.values(STAGE);
