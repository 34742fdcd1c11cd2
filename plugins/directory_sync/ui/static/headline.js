// The first part of the page: the state of a directory or of a run, in a sentence, with what to do about it.

import { ui } from "./lent.js";
import { InnerButton, h } from "./parts.js";
import { Verdict } from "./sections.js";
import { shardBars } from "./shards.js";

const { Box, Flex, Text } = ui;

/** A bar for each shard of a run that reads. */
const Shards = ({ bars }) =>
  h(
    Box,
    { "aria-label": "Shards", as: "ul", listStyleType: "none", mt: 2, maxW: "360px" },
    bars.map(({ name, share, text }) =>
      h(
        Box,
        { as: "li", key: name, mb: 1 },
        h(
          Flex,
          { fontSize: "xs", gap: 2, justify: "space-between" },
          h(Text, { as: "span" }, name),
          h(Text, { as: "span", fontVariantNumeric: "tabular-nums", textAlign: "end" }, text),
        ),
        h(
          Box,
          { "aria-hidden": true, bg: "bg.emphasized", borderRadius: "full", h: 1.5, overflow: "hidden" },
          h(Box, { bg: "fg.info", h: "100%", style: { width: `${Math.round(100 * share)}%` } }),
        ),
      ),
    ),
  );

/**
 * A state as the page's first part.
 *
 * @param {{state: object, detail?: string, tasks?: object[], now: Date}} props state: see `tell` of verdict.js. tasks:
 *   those of earlier runs too, for how long a shard usually takes.
 */
export function State({ state, detail, tasks = [], now }) {
  const { action, level, shards, text } = state;
  return h(
    Verdict,
    { detail, level, text },
    shards.length > 0 && h(Shards, { bars: shardBars(shards, tasks, now) }),
    action && h(Box, { mt: 2 }, h(InnerButton, { to: action.to }, action.text)),
  );
}
