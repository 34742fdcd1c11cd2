// What Airflow lends to plugins, and what stands in for it where an older Airflow does not.

/** Chakra UI: Airflow 3.2 and later. */
export const ui = globalThis.ChakraUI ?? (await import("./plain.js"));

/** React Router: Airflow 3.1.1 and later. */
export const router = globalThis.ReactRouterDOM ?? (await import("./addresses.js"));
