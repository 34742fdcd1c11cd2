// The buttons that start a run, and what became of the run.

import { MODE } from "./facts.js";
import { ui } from "./lent.js";
import { Inner, Sign, h } from "./parts.js";
import { readRights, readRun, startRun, tellStarted, useReading } from "./reading.js";
import { isActive } from "./shape.js";

const { useEffect, useState } = globalThis.React;
const { Box, Button, Flex, Text } = ui;

/** The buttons: the mode of the run that each starts, its name there, and what is asked before it. */
const BUTTONS = [
  {
    mode: MODE.DECIDE,
    text: "Ask again",
    title: "Opens the question about the held removals again; the directory is not read.",
    noun: "question",
    isFor: ({ held, isWaiting }) => held > 0 && !isWaiting,
  },
  {
    mode: MODE.DRY_RUN,
    text: "Dry run",
    title: "Reads the directory and reports what a sync would change; nothing is published.",
    noun: "dry run",
    isFor: () => true,
  },
  {
    mode: MODE.SYNC,
    text: "Run now",
    title: "Reads the directory and publishes the difference.",
    noun: "run",
    confirm: "Read the directory now, and publish the difference?",
    isFor: () => true,
  },
];

/** The buttons for a state of the directory. */
export const buttonsFor = (state) => BUTTONS.filter((button) => button.isFor(state));

/** A sentence about a run that could not be started. */
export function refusal({ status }) {
  switch (status) {
    case 0:
      return "Airflow did not answer. Look in the list of runs whether it has begun before you try again.";
    case 401:
      return "You are not logged in any more. Reload the page to log in. Nothing was started.";
    case 403:
      return "You have no right to start a run of this Dag (403). Nothing was started.";
    case undefined:
      return "Airflow's answer has an unknown form. Look in the list of runs whether it has begun.";
    default:
      return `Airflow refused to start a run (${status}). Nothing was started.`;
  }
}

/** A sentence about a run that was started here. `isPaused`: its Dag is paused. */
export function progress({ mode, run, isPaused }) {
  const { noun } = BUTTONS.find((button) => button.mode === mode);
  const what = mode === MODE.DECIDE ? "The run that asks" : `The ${noun}`;
  if (!run || run.state === "queued")
    return isPaused
      ? { level: "warning", text: `${what} is queued, and the Dag is paused: it begins when the Dag is resumed.` }
      : { level: "info", text: `${what} is queued.` };
  if (isActive(run)) return { level: "info", text: `${what} is under way.` };
  if (run.state === "failed") return { level: "error", text: `${what} failed.` };
  return { level: "ok", text: `${what} has ended.` };
}

/** What became of the run that was started. */
function Started({ dagId, isPaused, mode, run: first }) {
  const [isOn, setOn] = useState(true);
  const runId = first.dag_run_id;
  const { data } = useReading(
    `started ${dagId} ${runId}`,
    async (signal) => {
      const run = await readRun({ dagId, runId }, signal);
      setOn(isActive(run));
      return run;
    },
    { isRunning: isOn },
  );
  // What the run published is read at once, not at the next turn.
  useEffect(() => {
    if (!isOn) tellStarted();
  }, [isOn]);
  const { level, text } = progress({ isPaused, mode, run: data ?? first });
  const path = `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
  return h(
    Flex,
    { align: "center", "aria-label": "The run you started", gap: 2, role: "status", wrap: "wrap" },
    h(Sign, { level }),
    h(Text, { as: "span", fontSize: "sm" }, text),
    level === "ok"
      ? h(Inner, { fontSize: "sm", to: `${path}/plugin/directory-run` }, "Open its report")
      : h(Inner, { fontSize: "sm", to: path }, "Open the run"),
  );
}

/** The buttons; nothing for a user who may not start a run. */
export function Actions({ dag, held, isWaiting }) {
  const dagId = dag.dag_id;
  const rights = useReading(`rights ${dagId}`, (signal) => readRights(dagId, signal), { isOnce: true });
  const [asked, ask] = useState(null);
  const [isSending, setSending] = useState(false);
  const [outcome, setOutcome] = useState(null);
  if (!rights.data?.mayRun) return null;

  const start = async (mode) => {
    ask(null);
    setSending(true);
    try {
      setOutcome({ mode, run: await startRun({ dagId, mode }) });
      tellStarted();
    } catch (error) {
      setOutcome({ error });
    }
    setSending(false);
  };
  const buttons = buttonsFor({ held, isWaiting });
  const plain = { disabled: isSending, size: "sm", variant: "outline" };
  const toConfirm = buttons.find((button) => button.mode === asked);
  return h(
    Box,
    { "aria-label": "Start a run", role: "group" },
    h(
      Flex,
      { align: "center", gap: 2, wrap: "wrap" },
      toConfirm
        ? [
            h(Text, { as: "span", fontSize: "sm", key: "asks" }, toConfirm.confirm),
            h(
              Button,
              { ...plain, autoFocus: true, key: "yes", onClick: () => start(asked), variant: "solid" },
              "Yes, run now",
            ),
            h(Button, { ...plain, key: "no", onClick: () => ask(null) }, "Cancel"),
          ]
        : buttons.map(({ confirm, mode, text, title }) =>
            h(Button, { ...plain, key: mode, onClick: () => (confirm ? ask(mode) : start(mode)), title }, text),
          ),
    ),
    outcome &&
      h(
        Box,
        { mt: 2 },
        outcome.error
          ? h(
              Flex,
              { align: "center", gap: 2, role: "alert" },
              h(Sign, { level: "error" }),
              h(Text, { as: "span", fontSize: "sm" }, refusal(outcome.error)),
            )
          : h(Started, { ...outcome, dagId, isPaused: dag.is_paused, key: outcome.run.dag_run_id }),
      ),
  );
}
