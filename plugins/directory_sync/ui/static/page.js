// The module that Airflow imports. It looks for a global component with the name of each React app of the plugin.

import { About } from "./about.js";
import { Actions } from "./actions.js";
import { Card } from "./card.js";
import { ProofAndTime, Refused } from "./details.js";
import { EVENTS, keyOf, useDirectory, useSaid, useSources } from "./directory.js";
import { PAGE_KEY } from "./facts.js";
import { ToCome } from "./dryrun.js";
import { State } from "./headline.js";
import { router, ui } from "./lent.js";
import { Choose, Loading, Problem, h } from "./parts.js";
import { readEvents, readRun, readRuns, readTasks, readWaiting, useNow, useReading } from "./reading.js";
import { stateOfRun, wantedOfRun } from "./runstates.js";
import {
  Counts,
  Empty,
  Fields,
  Findings,
  LastPublished,
  Notices,
  PUBLICATIONS,
  RANGES,
  Runs,
} from "./sections.js";
import { isActive, points, publications, reportOf, stageTimes } from "./shape.js";
import { entryOf, wanted } from "./standing.js";
import { lateness } from "./states.js";
import { Stages } from "./trends.js";
import { changeSentence, tell } from "./verdict.js";
import { Who } from "./who.js";

const { Component, useEffect, useState } = globalThis.React;
const { Flex, Heading, SimpleGrid, Stack, Text } = ui;
const { useSearchParams } = router;

const FAILED_RUNS = 100;
const DEFAULT_RANGE = "30";

/** The page of one resource, over all its runs. */
function Overview({ source, range, onRange }) {
  const { dagId } = source;
  const { before, events, facts, isRunning, published, resource, runs, said, tasks, waiting } = useDirectory(
    source,
    range,
  );
  const { dag, latest, now } = facts;
  const failed = useReading(
    `failed ${dagId}`,
    (signal) => readRuns({ dagId, most: FAILED_RUNS, state: "failed" }, signal),
    { isRunning },
  );
  if (events.isLoading || runs.isLoading) return h(Loading, { height: "400px" });

  const shown = range === "all" ? published : published.slice(-Number(range));
  const since = shown.length < published.length ? shown[0].snapshotAt : null;
  const taskList = tasks.data?.tasks ?? [];
  const late = latest && lateness(dag, facts.runs, latest.snapshotAt, now);
  const isEmpty = !latest && events.data;
  const { headline, notices } = tell(facts);
  return h(
    Stack,
    { gap: 4 },
    events.error && h(Problem, { error: events.error, what: PUBLICATIONS }),
    runs.error && h(Problem, { error: runs.error, what: "the runs" }),
    events.data && h(State, { detail: headline.detail, now, state: headline, tasks: taskList }),
    waiting.error && h(Problem, { error: waiting.error, what: "the open questions" }),
    said.error && h(Problem, { error: said.error, what: "what the tasks said" }),
    h(Actions, { dag, held: latest?.held ?? 0, isWaiting: waiting.data?.length > 0 }),
    h(Notices, { notices }),
    isEmpty && h(Empty, { dagId }),
    latest &&
      h(
        Counts,
        { before, latest },
        h(LastPublished, { at: published.at(-1).publishedAt, due: dag.next_dagrun_run_after, late, now }),
      ),
    latest && h(Who, { dagId, latest }),
    latest && h(Refused, { latest, times: stageTimes(facts.runs, taskList, resource) }),
    (latest || failed.data?.length > 0) &&
      h(Runs, {
        dagId,
        onRange,
        points: points(shown, failed.data ?? [], { since }),
        range,
        total: range === "all" && events.data?.total > EVENTS.all ? published.length : null,
      }),
    failed.error && h(Problem, { error: failed.error, what: "the failed runs" }),
    latest &&
      h(
        SimpleGrid,
        { columns: { base: 1, lg: 2 }, gap: 4 },
        h(Findings, { latest, published: shown }),
        h(Fields, { latest }),
      ),
    latest
      ? h(ProofAndTime, { latest, published: shown, reading: tasks, resource, runs: facts.runs, tasks: taskList })
      : facts.runs.length > 0 &&
          h(Stages, { published, reading: tasks, resource, runs: facts.runs, tasks: taskList }),
  );
}

/** The page of one run. */
function OneRun({ source, runId }) {
  const { assetId, dag, dagId } = source;
  const [isRunning, setRunning] = useState(false);
  const now = useNow(isRunning);
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
    { again: run.data?.state, isRunning },
  );
  const peers = useReading(isOn ? `peers ${dagId}` : null, (signal) => readRuns({ dagId, most: 30 }, signal));
  const waiting = useReading(isOn ? `waiting ${dagId}` : null, (signal) => readWaiting(dagId, signal), { isRunning });
  const published = publications(events.data?.events ?? [], source.resource);
  const latest = published.at(-1) ?? null;
  const known = {
    ...{ dag, latest, now, peers: peers.data ?? undefined, resource: source.resource, run: run.data },
    ...{ runs, tasks: tasks.data?.tasks ?? null },
    waiting: waiting.data?.filter((one) => one.task_instance.dag_run_id === runId),
  };
  const asked = wanted(known);
  if (run.data) asked.entries = [...asked.entries, ...wantedOfRun(known)];
  const said = useSaid({ asked, dagId, isRunning, key: `${dagId} ${runId}`, resource: source.resource });
  if (events.isLoading || run.isLoading) return h(Loading, { height: "300px" });

  const audit = asked.entries.find((one) => one.key === "return_value")?.task;
  const extra = audit && said.data?.entries[entryOf(audit, "return_value")];
  const dry = extra ? reportOf({ extra, id: runId, source_run_id: runId, timestamp: run.data.run_after }) : null;
  const state = run.data && stateOfRun({ ...known, dry, said: said.data });
  const shown = latest ?? dry;
  const ofTime = { reading: tasks, resource: source.resource, runs, tasks: tasks.data?.tasks ?? [] };
  return h(
    Stack,
    { gap: 4 },
    events.error && h(Problem, { error: events.error, what: PUBLICATIONS }),
    run.error && h(Problem, { error: run.error, what: "the run" }),
    events.data &&
      state &&
      h(State, {
        detail: [state.rest, latest && changeSentence(latest)].filter(Boolean).join(" "),
        now,
        state,
        tasks: [],
      }),
    shown && h(Counts, { latest: shown }),
    audit && h(ToCome, { error: said.error, extra }),
    shown && h(Who, { dagId, latest: shown }),
    shown && h(Refused, { latest: shown, times: stageTimes(runs, ofTime.tasks, source.resource) }),
    shown &&
      h(
        SimpleGrid,
        { columns: { base: 1, lg: 2 }, gap: 4 },
        h(Findings, { latest: shown, published }),
        h(Fields, { isLast: false, latest: shown }),
      ),
    shown
      ? h(ProofAndTime, { ...ofTime, latest: shown, published: [shown] })
      : h(Stages, { ...ofTime, published }),
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
