// Which code runs, and what this Airflow does not have.

import { ui } from "./lent.js";
import { Problem, h } from "./parts.js";
import { readAbout, useReading } from "./reading.js";

const { Box, Text } = ui;

const ORIGINS = { folder: "from the folder", wheel: "installed with pip in" };

/** A sentence about the code that the API server runs. */
export function codeText({ version, origin, location, airflow }) {
  return `Directory sync ${version}, ${ORIGINS[origin] ?? "from"} ${location}, with Airflow ${airflow}.`;
}

/** What a person should know of the installation: other copies of the code, and what Airflow does not have. */
export const remarks = ({ absent, notRun }) => [
  ...notRun.map((path) => `The other copy of the code in ${path} does not run: remove one of them.`),
  ...absent,
];

/** The last part of the page. */
export function About() {
  const { data, error } = useReading("about", readAbout, { isOnce: true });
  if (error) return h(Problem, { error, what: "the facts about this installation" });
  if (!data) return null;
  const found = remarks(data);
  return h(
    Box,
    { as: "footer", "aria-label": "This installation", color: "fg.muted", fontSize: "xs" },
    h(Text, { overflowWrap: "anywhere" }, codeText(data)),
    found.length > 0 && h(Text, { mt: 1 }, "What differs here:"),
    found.length > 0 &&
      h(
        Box,
        { as: "ul", listStyleType: "none" },
        found.map((text) => h(Box, { as: "li", key: text, overflowWrap: "anywhere" }, text)),
      ),
  );
}
