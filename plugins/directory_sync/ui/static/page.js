// The module that Airflow imports. It looks for a global component with the name of each React app of the plugin.

import { About } from "./about.js";
import { Card } from "./card.js";
import { EVENTS, keyOf, useDirectory, useSources } from "./directory.js";
import { PAGE_KEY } from "./facts.js";
import { router, ui } from "./lent.js";
import { Choose, Loading, Problem, h } from "./parts.js";
import { readEvents, readRun, readRuns, readTasks, useReading } from "./reading.js";
import {
  Counts,
  Empty,
  Fields,
  Findings,
  LastSuccess,
  Notices,
  PUBLICATIONS,
  RANGES,
  Runs,
  Verdict,
} from "./sections.js";
import { isActive, points, publications } from "./shape.js";
import { Proof, Stages } from "./trends.js";
import { changeSentence, headline, lateness, notices, runHeadline, standing } from "./verdict.js";

const { Component, useEffect, useState } = globalThis.React;
const { Flex, Heading, SimpleGrid, Stack, Text } = ui;
const { useSearchParams } = router;

const FAILED_RUNS = 100;
const DEFAULT_RANGE = "30";

/** The page of one resource, over all its runs. */
function Overview({ source, range, onRange }) {
  const { dagId } = source;
  const { before, events, facts, isRunning, published, resource, runs, waiting } = useDirectory(source, range);
  const { dag, latest, now } = facts;
  const failed = useReading(
    `failed ${dagId}`,
    (signal) => readRuns({ dagId, most: FAILED_RUNS, state: "failed" }, signal),
    { isRunning },
  );
  const tasks = useReading(
    runs.data ? `tasks ${dagId}` : null,
    (signal, known) => readTasks({ dagId, known, runs: facts.runs }, signal),
    { isRunning },
  );
  if (events.isLoading || runs.isLoading) return h(Loading, { height: "400px" });

  const shown = range === "all" ? published : published.slice(-Number(range));
  const since = shown.length < published.length ? shown[0].snapshotAt : null;
  const taskList = tasks.data?.tasks ?? [];
  const { succeeded } = standing(facts.runs);
  const late = latest && lateness(dag, facts.runs, latest.snapshotAt, now);
  const isEmpty = !latest && events.data;
  const { level, text } = headline(facts);
  const lead = level === "error" || late?.isLate ? "Published then" : undefined;
  return h(
    Stack,
    { gap: 4 },
    events.error && h(Problem, { error: events.error, what: PUBLICATIONS }),
    runs.error && h(Problem, { error: runs.error, what: "the runs" }),
    events.data && h(Verdict, { detail: latest && changeSentence(latest, lead), level, text }),
    waiting.error && h(Problem, { error: waiting.error, what: "the open questions" }),
    h(Notices, { notices: notices({ ...facts, tasks: taskList }) }),
    isEmpty && h(Empty, { dagId }),
    latest &&
      h(
        Counts,
        { before, latest },
        h(LastSuccess, { due: dag.next_dagrun_run_after, late, now, run: succeeded }),
      ),
    (latest || failed.data?.length > 0) &&
      h(Runs, {
        dagId,
        onRange,
        points: points(shown, failed.data ?? [], { since }),
        range,
        total: range === "all" && events.data?.total > EVENTS.all ? published.length : null,
      }),
    failed.error && h(Problem, { error: failed.error, what: "the failed runs" }),
    (latest || facts.runs.length > 0) &&
      h(
        SimpleGrid,
        { columns: { base: 1, lg: 2 }, gap: 4 },
        latest &&
          h(Stack, { gap: 4, minW: 0 }, h(Findings, { latest, published: shown }), h(Fields, { latest })),
        h(
          Stack,
          { gap: 4, minW: 0 },
          latest && h(Proof, { latest, published: shown }),
          h(Stages, { published, reading: tasks, resource, runs: facts.runs, tasks: taskList }),
        ),
      ),
  );
}

/** The page of one run. */
function OneRun({ source, runId }) {
  const { assetId, dagId } = source;
  const [isRunning, setRunning] = useState(false);
  const run = useReading(`run ${dagId} ${runId}`, (signal) => readRun({ dagId, runId }, signal), {
    isRunning,
  });
  const isOn = run.data ? isActive(run.data) : false;
  useEffect(() => setRunning(isOn), [isOn]);
  const events = useReading(
    `events ${dagId} ${assetId} ${runId}`,
    (signal, known) => readEvents({ assetId, dagId, known, most: 100, runId }, signal),
    { isRunning },
  );
  const runs = run.data ? [run.data] : [];
  const tasks = useReading(
    run.data ? `tasks ${dagId} ${runId}` : null,
    (signal, known) => readTasks({ dagId, known, runs }, signal),
    { isRunning },
  );
  if (events.isLoading || run.isLoading) return h(Loading, { height: "300px" });

  const published = publications(events.data?.events ?? [], source.resource);
  const latest = published.at(-1) ?? null;
  return h(
    Stack,
    { gap: 4 },
    events.error && h(Problem, { error: events.error, what: PUBLICATIONS }),
    run.error && h(Problem, { error: run.error, what: "the run" }),
    events.data &&
      h(Verdict, { ...runHeadline({ latest, run: run.data }), detail: latest && changeSentence(latest) }),
    latest && h(Counts, { latest }),
    h(
      SimpleGrid,
      { columns: { base: 1, lg: 2 }, gap: 4 },
      latest &&
        h(
          Stack,
          { gap: 4, minW: 0 },
          h(Findings, { latest, published }),
          h(Fields, { isLast: false, latest }),
        ),
      h(
        Stack,
        { gap: 4, minW: 0 },
        latest && h(Proof, { latest, published }),
        h(Stages, {
          published,
          reading: tasks,
          resource: source.resource,
          runs,
          tasks: tasks.data?.tasks ?? [],
        }),
      ),
    ),
  );
}

function Content({ dagId, runId }) {
  const [query, setQuery] = useSearchParams();
  const { all, assets, dags, isLoading } = useSources(dagId);
  const asked = (source) =>
    (dagId || source.dagId === query.get(PAGE_KEY.DAG)) && source.resource === query.get(PAGE_KEY.RESOURCE);
  const source = all.find(asked) ?? all.find((one) => !dagId && one.dagId === query.get(PAGE_KEY.DAG)) ?? all[0];
  const range = Object.hasOwn(RANGES, query.get(PAGE_KEY.RANGE)) ? query.get(PAGE_KEY.RANGE) : DEFAULT_RANGE;
  const change = (values) =>
    setQuery(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(values)) next.set(name, value);
        return next;
      },
      { replace: true },
    );
  const choose = (key) => {
    const [dag, resource] = JSON.parse(key);
    change({
      ...(!dagId && { [PAGE_KEY.DAG]: dag }),
      ...(resource !== null && { [PAGE_KEY.RESOURCE]: resource }),
    });
  };
  const name = ({ dag, resource }) =>
    [dagId ? null : dag.dag_display_name, resource].filter(Boolean).join(" · ");
  return h(
    Stack,
    { gap: 4, maxW: "1400px", mx: "auto", p: { base: 2, md: 4 } },
    h(
      Flex,
      { align: "center", gap: 3, justify: "space-between", wrap: "wrap" },
      !dagId && h(Heading, { as: "h1", fontSize: "2xl" }, "Directory"),
      all.length > 1 &&
        h(Choose, {
          label: "Directory",
          onChoose: choose,
          options: all.map((one) => [keyOf(one), name(one)]),
          value: keyOf(source),
        }),
      all.length === 1 && h(Text, { color: "fg.muted", fontSize: "sm" }, name(source)),
    ),
    dags.error && h(Problem, { error: dags.error, what: "the Dags" }),
    assets.error && h(Problem, { error: assets.error, what: "the assets" }),
    isLoading && h(Loading, { height: "400px" }),
    !isLoading &&
      dags.data &&
      !source &&
      h(
        Text,
        null,
        dagId
          ? "This Dag synchronises no directory: it does not have the tags directory and dlt."
          : "You see no Dag that synchronises a directory: either no Dag has the tags directory and dlt, or you have no right to read it.",
      ),
    source &&
      (runId
        ? h(OneRun, { key: keyOf(source), runId, source })
        : h(Overview, { key: keyOf(source), onRange: (chosen) => change({ [PAGE_KEY.RANGE]: chosen }), range, source })),
    h(About),
  );
}

/** Catches errors of this page, so that they do not break Airflow's own page. */
class Guarded extends Component {
  constructor(props) {
    super(props);
    this.state = { hasFailed: false };
  }

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  render() {
    if (!this.state.hasFailed) return this.props.children;
    return h(
      Text,
      { p: 4, role: "alert" },
      "This part of the page cannot show its data. The runs themselves are not affected; the browser's console has the error.",
    );
  }
}

globalThis.Directory = (props) => h(Guarded, null, h(Content, props));
globalThis["Directory card"] = () => h(Guarded, null, h(Card));
