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
    { "aria-label": "Shards", as: "ul", listStyleType: "none", mt: 2, maxW: "480px" },
    bars.map(({ name, share, text }) =>
      h(
        Flex,
        { align: "center", as: "li", gap: 2, key: name },
        h(Text, { as: "span", fontSize: "xs", flexShrink: 0, w: 14 }, name),
        h(
          Box,
          { "aria-hidden": true, bg: "bg.emphasized", borderRadius: "full", flex: 1, h: 2, minW: 0, overflow: "hidden" },
          h(Box, { bg: "fg.info", h: "100%", style: { width: `${Math.round(100 * share)}%` } }),
        ),
        h(Text, { as: "span", fontSize: "xs", flexShrink: 0, fontVariantNumeric: "tabular-nums", w: 40 }, text),
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
