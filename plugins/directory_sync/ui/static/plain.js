// The parts of Chakra UI that the page uses, for an Airflow that does not lend it to plugins (3.1).
// Plain elements; their colours, sizes and dark mode are the variables of Airflow's own theme.

const { Children, cloneElement, createElement: h, forwardRef } = globalThis.React;

const BREAKPOINTS = { base: null, sm: "30rem", md: "48rem", lg: "64rem", xl: "80rem" };
const WEIGHTS = { normal: 400, medium: 500, semibold: 600, bold: 700 };

const isName = (value) => typeof value === "string" && /^(?!\d+px$)[a-z0-9]+(\.[a-z]+)*$/.test(value);
const token = (group) => (value) =>
  isName(value) ? `var(--chakra-${group}-${value.replaceAll(".", "-")})` : value;
const asIs = (value) => value;
const color = (value) => {
  const named = token("colors")(value);
  // The theme of 3.1 has no colours of borders for its palettes.
  return isName(value) && value.endsWith(".border")
    ? `var(${named.slice(4, -1)}, ${color(value.replace(/border$/, "solid"))})`
    : named;
};
const size = (value) => (typeof value === "number" ? `${value / 4}rem` : value);
const width = (value) => (typeof value === "number" ? `${value}px` : value);
const tracks = (value) => `repeat(${value}, minmax(0, 1fr))`;

/** From a property of Chakra UI to those of CSS, and how its value is written there. */
const STYLES = new Map(
  [
    [color, { bg: ["background-color"], borderColor: [], color: [], outlineColor: [] }],
    [width, { borderWidth: [], borderTopWidth: [], borderStartWidth: ["border-inline-start-width"] }],
    [token("radii"), { borderRadius: [] }],
    [token("font-sizes"), { fontSize: [] }],
    [token("fonts"), { fontFamily: [] }],
    [(value) => WEIGHTS[value], { fontWeight: [] }],
    [tracks, { columns: ["grid-template-columns"] }],
    [size, { p: ["padding"], px: ["padding-inline"], py: ["padding-block"], ps: ["padding-inline-start"] }],
    [size, { m: ["margin"], mx: ["margin-inline"], my: ["margin-block"], mt: ["margin-top"], mb: ["margin-bottom"] }],
    [size, { gap: [], columnGap: [], rowGap: [], boxSize: ["width", "height"], top: [] }],
    [size, { w: ["width"], h: ["height"], width: [], height: [], minW: ["min-width"], maxW: ["max-width"] }],
    [size, { minH: ["min-height"], maxH: ["max-height"] }],
    [asIs, { align: ["align-items"], justify: ["justify-content"], wrap: ["flex-wrap"], flexDirection: [] }],
    [asIs, { animation: [], border: [], borderCollapse: [], borderStyle: [], cursor: [], display: [], flex: [] }],
    [asIs, { flexShrink: [], fontVariantNumeric: [], lineHeight: [], listStyleType: [], outline: [] }],
    [asIs, { outlineOffset: [], overflow: [], overflowWrap: [], position: [], textAlign: [] }],
    [asIs, { textDecoration: [], verticalAlign: [], whiteSpace: [] }],
  ].flatMap(([write, names]) =>
    Object.entries(names).map(([name, targets]) => {
      const own = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      return [name, { targets: targets.length ? targets : [own], write }];
    }),
  ),
);
const STATES = { _focusVisible: ":focus-visible", _hover: ":hover" };

const sheet = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
const classes = new Map();

/** The name of a class with these declarations. A class is written once; wider screens come last. */
function classOf(rules) {
  const text = JSON.stringify(rules);
  if (!classes.has(text)) {
    const name = `directory-sync-${classes.size}`;
    classes.set(text, name);
    for (const { condition, declarations, state } of rules) {
      const rule = `.${name}${state} { ${declarations} }`;
      sheet.insertRule(condition ? `@media ${condition} { ${rule} }` : rule, sheet.cssRules.length);
    }
  }
  return classes.get(text);
}

/** The rules for properties of Chakra UI; a value may be an object with one value for each width of screen. */
function rulesOf(styles, state = "") {
  const rules = Object.entries(BREAKPOINTS).map(([point, from]) => {
    const declarations = [];
    for (const [name, value] of Object.entries(styles)) {
      const given = typeof value === "object" && value !== null ? value[point] : point === "base" ? value : undefined;
      if (given === undefined || given === null || !STYLES.has(name)) continue;
      const { targets, write } = STYLES.get(name);
      declarations.push(...targets.map((target) => `${target}: ${write(given)};`));
    }
    return { condition: from && `(min-width: ${from})`, declarations: declarations.join(" "), state };
  });
  if (styles.hideBelow)
    rules.push({
      condition: `not all and (min-width: ${BREAKPOINTS[styles.hideBelow]})`,
      declarations: "display: none;",
      state,
    });
  const states = Object.keys(STATES).filter((name) => styles[name]);
  return [...rules, ...states.flatMap((name) => rulesOf(styles[name], STATES[name]))].filter(
    (rule) => rule.declarations,
  );
}

const isStyle = (name) => STYLES.has(name) || name === "hideBelow" || name in STATES;
/** Properties that choose among the looks of a part. */
const LOOKS = new Set(["colorPalette", "size", "variant"]);

/** An element with default styles; `look` gives those that its other properties choose. */
const part = (element, defaults = {}, look = () => ({})) =>
  forwardRef(({ as = element, asChild = false, children, ...given }, ref) => {
    const styles = { ...defaults, ...look(given) };
    const rest = {};
    for (const [name, value] of Object.entries(given))
      if (!LOOKS.has(name)) (isStyle(name) ? styles : rest)[name] = value;
    const all = { ...rest, className: classOf(rulesOf(styles)) };
    if (asChild) return cloneElement(Children.only(children), all);
    return h(as, { ...all, ref }, ...Children.toArray(children));
  });

const BUTTONS = {
  solid: { bg: "gray.solid", borderColor: "transparent", color: "gray.contrast" },
  outline: { _hover: { bg: "bg.muted" }, borderColor: "border", color: "fg" },
};

export const Box = part("div");
export const Text = part("p");
export const Flex = part("div", { display: "flex" });
export const Stack = part("div", { display: "flex", flexDirection: "column", gap: 2 });
export const SimpleGrid = part("div", { display: "grid" });
export const Heading = part("h2", { fontWeight: "semibold", lineHeight: "1.35" });
export const Link = part("a", { _hover: { textDecoration: "underline" }, borderRadius: "sm" });
export const Code = part("code", { bg: "bg.muted", borderRadius: "sm", fontFamily: "mono" });
export const Badge = part(
  "span",
  { borderRadius: "sm", flexShrink: 0, fontSize: "xs", fontWeight: "medium", px: 1.5, whiteSpace: "nowrap" },
  ({ colorPalette }) => ({ bg: `${colorPalette}.subtle`, color: `${colorPalette}.fg` }),
);
export const Button = part(
  "button",
  {
    align: "center",
    borderRadius: "sm",
    borderWidth: 1,
    cursor: "pointer",
    display: "inline-flex",
    fontSize: "xs",
    fontWeight: "medium",
    h: 8,
    justify: "center",
    px: 2.5,
    whiteSpace: "nowrap",
  },
  ({ variant }) => BUTTONS[variant],
);
export const Skeleton = part("div", { bg: "bg.emphasized" });
export const NativeSelect = {
  // The browser draws the arrow itself.
  Root: part("div"),
  Field: part("select", {
    bg: "bg",
    borderColor: "border",
    borderRadius: "sm",
    borderWidth: 1,
    fontSize: "sm",
    h: 9,
    maxW: "100%",
    px: 2,
  }),
  Indicator: () => null,
};
