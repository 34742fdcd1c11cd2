// The charts: plain SVG, drawn at the size of the page. The colours are Airflow's own, also in dark mode.

import { bucketed, scaleTop, ticks } from "./shape.js";
import { ui } from "./lent.js";
import { Inner, Rows, h, useWidth } from "./parts.js";
import { count, counted, day, moment, month } from "./words.js";

const { useId, useState } = globalThis.React;
const { Box, Flex, Text } = ui;

const MOST_POINTS = 90;
const ENTRIES_HEIGHT = 110;
const CHANGES_HEIGHT = 150;
const AXIS_HEIGHT = 20;
const GAP = 26;
const LANE_HEIGHT = 18;
const LANE_MARGIN = 6;
/** Over a longer time than this, dates are shown with their year. */
const LONG_MS = 300 * 24 * 3600 * 1000;

const color = (token) => `var(--chakra-colors-${token.replace(".", "-")})`;
const INK = {
  added: color("fg.success"),
  changed: color("fg.info"),
  failed: color("fg.error"),
  grid: color("border"),
  line: color("fg.info"),
  removed: color("fg.warning"),
  text: color("fg.muted"),
};

/** A point in words, for the line under the chart and for screen readers. */
export function pointText(point) {
  const when =
    point.runs > 1
      ? `${counted(point.runs, "run")}, ${moment(point.since)} to ${moment(point.at)}`
      : moment(point.at);
  const failed = point.failed ? (point.runs > 1 ? `${count(point.failed)} failed` : "failed") : "";
  if (point.entries === null && !point.isInterval) return `${when}: ${failed}, nothing published`;
  const parts = [
    point.isInterval ? "an interval" : `${count(point.entries)} entries`,
    `${count(point.added)} added`,
    `${count(point.changed)} changed`,
    `${count(point.removed)} removed`,
  ];
  return `${when}: ${[...parts, failed].filter(Boolean).join(", ")}`;
}

const label = (x, y, text, rest = {}) =>
  h("text", { fill: INK.text, key: `${x} ${y}`, style: { fontSize: "11px" }, x, y, ...rest }, text);

function gridLines(values, y, { left, right }, text = count) {
  return values.flatMap((value) => [
    h("line", { key: `line ${value}`, stroke: INK.grid, x1: left, x2: right, y1: y(value), y2: y(value) }),
    label(left - 6, y(value) + 4, text(value), { textAnchor: "end" }),
  ]);
}

/** The pieces of the line of entries: a run that failed and published nothing leaves a gap. */
export function linePieces(points) {
  const pieces = [[]];
  points.forEach((point, index) => {
    if (point.entries !== null) pieces.at(-1).push(index);
    else if (point.failed) pieces.push([]);
  });
  return pieces.filter((piece) => piece.length);
}

/** The texts of the axis, "" for none: the day; where the label before has the same day, the hour. */
export function axisTexts(points, every) {
  const isLong = new Date(points.at(-1).at) - new Date(points[0].at) > LONG_MS;
  let before = null;
  return points.map((point, place) => {
    if ((points.length - 1 - place) % every !== 0) return "";
    if (isLong) return month(point.at);
    const isSameDay = before !== null && day(before) === day(point.at);
    before = point.at;
    return isSameDay ? moment(point.at).slice(-5) : day(point.at);
  });
}

function EntriesLine({ points, x, sides, top }) {
  const known = points.map((point) => point.entries).filter((entries) => entries !== null);
  if (!known.length) return null;
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const values = least === most ? [least] : ticks(least, most);
  const [low, high] = least === most ? [least - 1, least + 1] : [values[0], values.at(-1)];
  const y = (value) => top + ENTRIES_HEIGHT * (1 - (value - low) / (high - low));
  const pieces = linePieces(points);
  const path = pieces
    .flatMap((piece) => piece.map((index, place) => `${place ? "L" : "M"}${x(index)},${y(points[index].entries)}`))
    .join("");
  // A line of one point is not seen.
  const dotted = known.length <= 45 ? pieces.flat() : pieces.filter((piece) => piece.length === 1).flat();
  return h(
    "g",
    null,
    gridLines(values, y, sides),
    h("path", { d: path, fill: "none", stroke: INK.line, strokeLinejoin: "round", strokeWidth: 2 }),
    dotted.map((index) =>
      h("circle", { cx: x(index), cy: y(points[index].entries), fill: INK.line, key: index, r: 2.5 }),
    ),
  );
}

function ChangeBars({ points, x, slot, sides, top, hatch, lowest }) {
  const highest = scaleTop(points.map((point) => point.added + point.changed));
  const hasRemovals = points.some((point) => point.removed);
  // Both directions have the same scale, so that heights can be compared.
  const most = highest + (hasRemovals ? lowest : 0);
  const scale = CHANGES_HEIGHT / most;
  const zero = top + highest * scale;
  const width = Math.max(1, Math.min(22, slot * 0.72));
  const bars = points.flatMap((point, index) => {
    const left = x(index) - width / 2;
    const cut = (y) =>
      h("path", {
        d: `M${left - 2},${y}l${width + 4},-4v4l${-width - 4},4z`,
        fill: color("bg"),
        key: `cut ${index} ${y}`,
      });
    const total = (y, text) =>
      label(x(index), y, text, { textAnchor: index > points.length / 2 ? "end" : "start" });
    const isCut = point.added + point.changed > highest;
    // A bar that is cut keeps the proportion of its parts.
    const kept = isCut ? highest / (point.added + point.changed) : 1;
    const [added, changed] = [point.added * kept, point.changed * kept];
    const removed = Math.min(point.removed, lowest);
    const bar = (kind, y, value, fill) =>
      value > 0 &&
      h("rect", { fill, height: Math.max(1, value * scale), key: `${kind} ${index}`, width, x: left, y });
    return [
      bar("added", zero - Math.max(1, added * scale), added, INK.added),
      bar("changed", zero - (added + changed) * scale, changed, `url(#${hatch})`),
      bar("removed", zero, removed, INK.removed),
      isCut && [cut(top + 7), total(top - 6, count(point.added + point.changed))],
      point.removed > lowest && [
        cut(zero + removed * scale - 3),
        total(zero + removed * scale + 12, `−${count(point.removed)}`),
      ],
    ];
  });
  const grid = ticks(0, highest).filter((value) => value <= highest);
  return h(
    "g",
    null,
    gridLines(grid, (value) => zero - value * scale, sides),
    hasRemovals &&
      lowest * scale > 16 &&
      gridLines(
        [-lowest],
        () => zero + lowest * scale,
        sides,
        (value) => `−${count(-value)}`,
      ),
    bars,
    h("line", { stroke: color("fg.muted"), x1: sides.left, x2: sides.right, y1: zero, y2: zero }),
  );
}

/** The lane of the runs that failed, below the changes. */
const FailedLane = ({ points, sides, top, x }) =>
  h(
    "g",
    null,
    h("rect", { fill: color("bg.muted"), height: LANE_HEIGHT, width: sides.right - sides.left, x: sides.left, y: top }),
    label(sides.left - 6, top + 13, "failed", { textAnchor: "end" }),
    points.map(
      (point, index) =>
        point.failed > 0 &&
        label(x(index), top + 14, "✕", {
          fill: INK.failed,
          style: { fontSize: "12px", fontWeight: "bold" },
          textAnchor: "middle",
        }),
    ),
  );

const Key = ({ sign, text, style }) =>
  h(
    Flex,
    { align: "center", gap: 1.5 },
    h(
      Box,
      {
        "aria-hidden": true,
        boxSize: 3,
        borderRadius: "xs",
        color: "fg.error",
        fontSize: "xs",
        fontWeight: "bold",
        lineHeight: "1",
        style,
      },
      sign,
    ),
    h(Text, { as: "span", fontSize: "xs" }, text),
  );

const HATCH = `repeating-linear-gradient(45deg, ${INK.changed} 0 2px, transparent 2px 4px)`;

const Legend = ({ hasFailed }) =>
  h(
    Flex,
    { columnGap: 4, mt: 1, rowGap: 1, wrap: "wrap" },
    h(Key, { style: { background: INK.added }, text: "added, or returned" }),
    h(Key, { style: { background: HATCH, border: `1px solid ${INK.changed}` }, text: "changed" }),
    h(Key, { style: { background: INK.removed }, text: "removed (below the line)" }),
    hasFailed && h(Key, { sign: "✕", text: "failed run" }),
  );

/** A browser also sends mouse events when the page moves beneath a pointer that rests: those must not undo a choice by key. */
const ifMoved = (act) => (event) => (event.movementX || event.movementY) && act();

/** Both charts on one axis. They are one stop for the Tab key; the arrow keys go from run to run. */
export function RunsChart({ points: all, dagId }) {
  const [element, width] = useWidth();
  const [chosen, setChosen] = useState(null);
  const hatch = useId();
  const points = bucketed(all, MOST_POINTS);
  const index = chosen === null ? points.length - 1 : Math.min(chosen, points.length - 1);
  const longest = Math.max(
    ...points.map((point) => count(Math.max(point.entries ?? 0, point.added + point.changed)).length),
  );
  const hasFailed = points.some((point) => point.failed);
  const sides = { left: Math.max(longest * 6.5 + 10, hasFailed ? 40 : 0), right: width - 4 };
  const slot = (sides.right - sides.left) / points.length;
  const x = (place) => sides.left + slot * (place + 0.5);
  const changesTop = ENTRIES_HEIGHT + 2 * GAP + 22;
  const bottom = changesTop + CHANGES_HEIGHT;
  const lowest = scaleTop(points.map((point) => point.removed));
  // Space for the count at a bar that is cut.
  const laneTop = bottom + (points.some((point) => point.removed > lowest) ? 14 : 0) + LANE_MARGIN;
  const axisTop = laneTop - LANE_MARGIN + (hasFailed ? LANE_MARGIN + LANE_HEIGHT : 0);
  const move = (event) => {
    const steps = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
      Home: -points.length,
      End: points.length,
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    setChosen(Math.max(0, Math.min(points.length - 1, index + steps[event.key])));
  };
  const every = Math.max(1, Math.ceil(points.length / Math.max(1, Math.floor(width / 90))));
  const point = points[index];
  const texts = axisTexts(points, every);
  return h(
    Box,
    null,
    h(
      Box,
      {
        "aria-label": "Runs: entries, and what changed. Arrow keys choose a run.",
        "aria-orientation": "horizontal",
        "aria-valuemax": points.length,
        "aria-valuemin": 1,
        "aria-valuenow": index + 1,
        "aria-valuetext": pointText(point),
        borderRadius: "md",
        _focusVisible: { outline: "2px solid", outlineColor: "border.info", outlineOffset: "2px" },
        onKeyDown: move,
        onMouseLeave: ifMoved(() => setChosen(null)),
        ref: element,
        role: "slider",
        tabIndex: 0,
      },
      width > 0 &&
        h(
          "svg",
          { "aria-hidden": true, display: "block", height: axisTop + AXIS_HEIGHT, width },
          h(
            "defs",
            null,
            h(
              "pattern",
              {
                height: 4,
                id: hatch,
                patternTransform: "rotate(45)",
                patternUnits: "userSpaceOnUse",
                width: 4,
              },
              h("rect", { fill: color("bg"), height: 4, width: 4 }),
              h("rect", { fill: INK.changed, height: 4, width: 2 }),
            ),
          ),
          points.length > 1 &&
            h("rect", {
              fill: color("bg.emphasized"),
              height: axisTop - 14,
              opacity: 0.6,
              width: Math.max(2, slot),
              x: x(index) - Math.max(2, slot) / 2,
              y: 14,
            }),
          label(0, 11, "Entries"),
          h(EntriesLine, { points, sides, top: GAP, x }),
          label(0, changesTop - GAP + 9, "Changes"),
          h(ChangeBars, { hatch, lowest, points, sides, slot, top: changesTop, x }),
          hasFailed && h(FailedLane, { points, sides, top: laneTop, x }),
          texts.map(
            (text, place) =>
              text &&
              label(x(place), axisTop + 15, text, {
                textAnchor: place === points.length - 1 && points.length > 1 ? "end" : "middle",
                ...(place === points.length - 1 && points.length > 1 && { x: sides.right }),
              }),
          ),
          points.map((one, place) =>
            h("rect", {
              fill: "transparent",
              height: axisTop,
              key: place,
              onClick: () => setChosen(place),
              onMouseMove: ifMoved(() => setChosen(place)),
              width: slot,
              x: x(place) - slot / 2,
              y: 0,
            }),
          ),
        ),
    ),
    h(
      Flex,
      { align: "baseline", columnGap: 3, fontSize: "sm", minH: 6, mt: 1, wrap: "wrap" },
      h(Text, { as: "span", "data-testid": "readout" }, pointText(point)),
      point.runs === 1 &&
        h(
          Inner,
          {
            fontSize: "sm",
            to: `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(point.runId)}`,
          },
          "Open the run",
        ),
    ),
    h(Legend, { hasFailed }),
  );
}

/** The points of the charts as a table, the newest first. */
export const RunsTable = ({ points, dagId }) =>
  h(Rows, {
    columns: ["Run", "Entries", "Added", "Changed", "Removed", "Held", "State"],
    label: "Runs as a table",
    maxH: "420px",
    rows: [...points]
      .reverse()
      .map((point) => ({
        key: point.runId,
        cells: [
          h(
            Inner,
            {
              to: `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(point.runId)}`,
              whiteSpace: "nowrap",
            },
            moment(point.at),
          ),
          ...(point.entries === null && !point.isInterval
            ? ["–", "–", "–", "–", "–"]
            : [point.entries, point.added, point.changed, point.removed, point.held].map((value) =>
                value === null ? "–" : count(value),
              )),
          point.failed ? "✕ failed" : "✓ published",
        ],
      })),
  });
