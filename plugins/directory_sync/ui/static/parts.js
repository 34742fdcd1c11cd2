// Boxes, links and tables in the style of Airflow's interface.

import { router, ui } from "./lent.js";
import { count, exactMoment, ago } from "./words.js";
import { problem } from "./reading.js";

const { createElement: h, useEffect, useRef, useState } = globalThis.React;
const { Badge, Box, Button, Code, Flex, Heading, Link, NativeSelect, Skeleton, Text } = ui;
const { Link: RouterLink } = router;

export { h };

/** The word, the sign and the colours of each level. A level is never shown by its colour alone. */
export const LEVELS = {
  ok: { word: "Good", sign: "✓", palette: "green", ground: "bg.success" },
  info: { word: "Note", sign: "i", palette: "blue", ground: "bg.info" },
  warning: { word: "Warning", sign: "!", palette: "orange", ground: "bg.warning" },
  error: { word: "Error", sign: "✕", palette: "red", ground: "bg.error" },
};

export const Sign = ({ level, size = 5 }) =>
  h(
    Flex,
    {
      align: "center",
      "aria-label": LEVELS[level].word,
      bg: `${LEVELS[level].palette}.subtle`,
      borderRadius: "full",
      borderWidth: 1,
      borderColor: `${LEVELS[level].palette}.border`,
      boxSize: size,
      color: `${LEVELS[level].palette}.fg`,
      flexShrink: 0,
      fontSize: size > 6 ? "lg" : "xs",
      fontWeight: "bold",
      justify: "center",
      role: "img",
    },
    LEVELS[level].sign,
  );

/** A link within Airflow's interface. */
export const Inner = ({ to, children, ...rest }) =>
  h(Link, { asChild: true, color: "fg.info", ...rest }, h(RouterLink, { to }, children));

export const InnerButton = ({ to, children }) =>
  h(
    Button,
    { asChild: true, flexShrink: 0, size: "xs", variant: "outline" },
    h(RouterLink, { to }, children),
  );

/** A time such as "4 hours ago", with the exact time in its tooltip. */
export const Moment = ({ at, now }) => h("time", { dateTime: at, title: exactMoment(at) }, ago(at, now));

export const Problem = ({ error, what }) =>
  h(
    Flex,
    { align: "center", gap: 2, py: 1, role: "status" },
    h(Sign, { level: "warning" }),
    h(Text, { fontSize: "sm" }, problem(error, what)),
  );

export const Loading = ({ height = "60px" }) =>
  h(Skeleton, { "aria-label": "Loading", borderRadius: "md", height, width: "100%" });

/** A part of the page; it shows the error itself if its request fails. */
export const Section = ({ title, aside, reading, what, height, children }) =>
  h(
    Box,
    {
      as: "section",
      "aria-label": title,
      borderRadius: "lg",
      borderWidth: 1,
      minW: 0,
      p: { base: 3, md: 4 },
    },
    h(
      Flex,
      { align: "center", gap: 2, justify: "space-between", mb: 3, wrap: "wrap" },
      h(Heading, { as: "h2", fontSize: "md", fontWeight: "semibold" }, title),
      aside,
    ),
    reading?.error && h(Problem, { error: reading.error, what }),
    reading?.isLoading ? h(Loading, { height }) : (!reading || reading.data) && children,
  );

/** A number with its name above and a detail below. */
export const Tile = ({ label, value, detail, level }) =>
  h(
    Box,
    {
      borderRadius: "lg",
      borderWidth: 1,
      borderColor: level ? `${LEVELS[level].palette}.border` : "border",
      minW: 0,
      px: 3,
      py: 2,
    },
    h("dt", null, h(Text, { as: "span", color: "fg.muted", fontSize: "sm" }, label)),
    h(
      "dd",
      null,
      h(
        Text,
        {
          as: "span",
          display: "block",
          fontSize: "2xl",
          fontVariantNumeric: "tabular-nums",
          fontWeight: "semibold",
          lineHeight: "1.25",
        },
        value,
      ),
      detail && h(Text, { as: "span", color: "fg.muted", display: "block", fontSize: "xs" }, detail),
    ),
  );

const cell = { fontVariantNumeric: "tabular-nums", px: 2, py: 1.5, textAlign: "end", whiteSpace: "nowrap" };

/**
 * A table that scrolls within itself. The first column names the row.
 *
 * @param {{columns: string[], rows: {key: string, cells: any[]}[], label: string, maxH?: string, narrow?: number}} props
 *   narrow: how many columns are shown on a narrow screen.
 */
export function Rows({ columns, rows, label, maxH, narrow = columns.length }) {
  const style = (index) => ({
    ...cell,
    ...(index === 0 && { ps: 0, textAlign: "start", whiteSpace: "normal" }),
    ...(index >= narrow && { hideBelow: "sm" }),
  });
  return h(
    Box,
    { "aria-label": label, maxH, overflow: "auto", role: "region", tabIndex: 0 },
    h(
      Box,
      { as: "table", borderCollapse: "collapse", fontSize: "sm", width: "100%" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          columns.map((column, index) =>
            h(
              Box,
              {
                as: "th",
                bg: "bg",
                color: "fg.muted",
                key: column,
                position: "sticky",
                scope: "col",
                top: 0,
                ...style(index),
                fontWeight: "medium",
              },
              column,
            ),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map(({ key, cells }) =>
          h(
            Box,
            { as: "tr", borderTopWidth: 1, key },
            cells.map((content, index) =>
              h(
                Box,
                {
                  as: index ? "td" : "th",
                  fontWeight: "normal",
                  key: columns[index],
                  ...(index === 0 && { scope: "row" }),
                  ...style(index),
                },
                content,
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A list of names, each with a bar, the longest bar first. */
export function BarList({ counts, most = 10, noun }) {
  const [isOpen, setOpen] = useState(false);
  const all = Object.entries(counts).sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  const top = all.length ? all[0][1] : 1;
  return h(
    Box,
    null,
    h(
      Box,
      { as: "ul", listStyleType: "none" },
      (isOpen ? all : all.slice(0, most)).map(([name, value]) =>
        h(
          Box,
          { as: "li", key: name, mb: 2 },
          h(
            Flex,
            { fontSize: "sm", gap: 2, justify: "space-between" },
            h(Text, { as: "span", fontFamily: "mono", overflowWrap: "anywhere" }, name),
            h(Text, { as: "span", fontVariantNumeric: "tabular-nums" }, count(value)),
          ),
          h(
            Box,
            { "aria-hidden": true, bg: "bg.muted", borderRadius: "full", h: 1.5 },
            h(Box, {
              bg: "fg.info",
              borderRadius: "full",
              h: "100%",
              minW: "2px",
              style: { width: `${(100 * value) / top}%` },
            }),
          ),
        ),
      ),
    ),
    all.length > most &&
      h(
        Button,
        { "aria-expanded": isOpen, onClick: () => setOpen(!isOpen), size: "xs", variant: "outline" },
        isOpen ? "Show fewer" : `Show all ${count(all.length)} ${noun}`,
      ),
  );
}

/** A group of buttons, one of which is pressed. */
export const Choice = ({ label, options, value, onChoose }) =>
  h(
    Flex,
    { "aria-label": label, gap: 1, role: "group" },
    options.map(([key, text]) =>
      h(
        Button,
        {
          "aria-pressed": key === value,
          key,
          onClick: () => onChoose(key),
          size: "xs",
          variant: key === value ? "solid" : "outline",
        },
        text,
      ),
    ),
  );

/** A drop-down list. It is the browser's own, so keyboards and screen readers can use it. */
export const Choose = ({ label, options, value, onChoose }) =>
  h(
    NativeSelect.Root,
    { maxW: "100%", size: "sm", width: "auto" },
    h(
      NativeSelect.Field,
      { "aria-label": label, onChange: (event) => onChoose(event.target.value), value },
      options.map(([key, text]) => h("option", { key, value: key }, text)),
    ),
    h(NativeSelect.Indicator),
  );

export const Tag = ({ level, children }) =>
  h(Badge, { colorPalette: LEVELS[level].palette, size: "sm", variant: "subtle" }, children);

/** Copies a text; returns whether the browser let it. Without HTTPS there is no clipboard, but the old command. */
async function copy(text, element) {
  if (globalThis.navigator.clipboard) {
    await globalThis.navigator.clipboard.writeText(text);
    return true;
  }
  globalThis.getSelection().selectAllChildren(element);
  return document.execCommand("copy");
}

/** A text to copy, with a button that does it. */
export function Copied({ label, text }) {
  const element = useRef(null);
  const [said, setSaid] = useState("Copy");
  const press = () =>
    copy(text, element.current).then(
      (isDone) => setSaid(isDone ? "Copied" : "Selected: copy it with the keyboard"),
      () => setSaid("Your browser does not allow it"),
    );
  return h(
    Box,
    { mt: 1 },
    h(
      Code,
      {
        "aria-label": label,
        display: "block",
        fontSize: "xs",
        overflowWrap: "anywhere",
        p: 2,
        ref: element,
        role: "region",
        whiteSpace: "pre-wrap",
      },
      text,
    ),
    h(Box, { mt: 1 }, h(Button, { "aria-live": "polite", onClick: press, size: "xs", variant: "outline" }, said)),
  );
}

/** The present width of an element, in pixels. */
export function useWidth() {
  const element = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}
