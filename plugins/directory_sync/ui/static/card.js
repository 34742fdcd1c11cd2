// The card on Airflow's home page: it has a line for each directory.

import { PAGE_KEY, PAGE_URL } from "./facts.js";
import { keyOf, useDirectory, useSources } from "./directory.js";
import { ui } from "./lent.js";
import { Inner, InnerButton, Loading, Problem, Sign, h } from "./parts.js";
import { tell } from "./verdict.js";

const { Box, Flex, Heading, Stack, Text } = ui;

/** A resource in a line or two, for the home page. */
function Line({ source }) {
  const { events, facts, resource, runs } = useDirectory(source, null);
  const name = [source.dag.dag_display_name, resource].filter(Boolean).join(" · ");
  if (events.isLoading || runs.isLoading) return h(Loading, { height: "44px" });
  const error = events.error ?? runs.error;
  if (error) return h(Problem, { error, what: "the directory's runs" });
  const { action, detail, level, text } = tell(facts).headline;
  const query = new URLSearchParams({
    [PAGE_KEY.DAG]: source.dagId,
    ...(source.resource && { [PAGE_KEY.RESOURCE]: source.resource }),
  });
  return h(
    Flex,
    { align: "center", gap: 3, minW: 0 },
    h(Sign, { level, size: 6 }),
    h(
      Box,
      { flex: 1, minW: 0 },
      h(Text, { color: "fg.muted", fontSize: "xs", overflowWrap: "anywhere" }, name),
      h(Inner, { fontWeight: "medium", overflowWrap: "anywhere", to: `${PAGE_URL}?${query}` }, text),
      detail && h(Text, { color: "fg.muted", fontSize: "sm" }, detail),
    ),
    action && h(InnerButton, { to: action.to }, action.text),
  );
}

const MOST_LINES = 5;

/** The card; it shows nothing if the user sees no directory. */
export function Card() {
  const { all, dags } = useSources(undefined);
  if (dags.error || !all.length) return null;
  return h(
    Box,
    { as: "section", "aria-label": "Directory", borderRadius: "lg", borderWidth: 1, my: 2, p: 4 },
    h(Heading, { as: "h2", fontSize: "md", mb: 3 }, "Directory"),
    h(
      Stack,
      { gap: 3 },
      all.slice(0, MOST_LINES).map((source) => h(Line, { key: keyOf(source), source })),
    ),
    all.length > MOST_LINES && h(Inner, { to: PAGE_URL }, `All ${all.length}`),
  );
}
