// What stands in for Chakra UI and React Router where an older Airflow lends plugins neither.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

const STATIC = new URL("../../plugins/directory_sync/ui/static/", import.meta.url);
const rules = [];

class Sheet {
  cssRules = rules;
  insertRule = (rule, place) => rules.splice(place, 0, rule);
}

Object.assign(globalThis, {
  CSSStyleSheet: Sheet,
  document: { adoptedStyleSheets: [], baseURI: "https://airflow.example.org/below/" },
  React: {
    Children: { only: (child) => child, toArray: (children) => [children].flat().filter(Boolean) },
    cloneElement: (child, props) => ({ ...child, props: { ...child.props, ...props } }),
    createElement: (type, props, ...children) => ({ type, props, children }),
    forwardRef: (render) => (props, ref = null) => render(props, ref),
    useEffect: () => {},
    useMemo: (make) => make(),
    useState: (value) => [value, () => {}],
  },
});
const plain = await import(new URL("plain.js", STATIC));
const addresses = await import(new URL("addresses.js", STATIC));

/** The rules of the classes of an element, in their order. */
const rulesOf = ({ props }) => rules.filter((rule) => new RegExp(`\\.${props.className}[ :]`).test(rule));

beforeEach(() => {
  globalThis.location = { pathname: "/below/plugin/directory", search: "?range=30" };
  globalThis.history = {
    state: { key: "of the router" },
    replaceState: (state, _, address) => {
      const { pathname, search } = new URL(address, "https://airflow.example.org");
      globalThis.location = { pathname, search, state };
    },
  };
});

test("each part of Chakra UI and React Router that the page uses has a stand-in", () => {
  const used = { router: new Set(), ui: new Set() };
  for (const name of readdirSync(STATIC).filter((file) => file.endsWith(".js"))) {
    const text = readFileSync(new URL(name, STATIC), "utf8");
    for (const [, names, lent] of text.matchAll(/const \{([^}]*)\} = (ui|router);/g))
      for (const part of names.split(",")) used[lent].add(part.split(":")[0].trim());
  }
  assert.ok(used.ui.size > 8);
  assert.deepEqual([...used.ui].filter((name) => !(name in plain)), []);
  assert.deepEqual([...used.router].filter((name) => !(name in addresses)), []);
});

test("colours and sizes are those of Airflow's theme", () => {
  const [rule] = rulesOf(plain.Box({ bg: "bg.muted", borderRadius: "lg", fontSize: "12px", px: 2 }));
  assert.match(rule, /background-color: var\(--chakra-colors-bg-muted\);/);
  assert.match(rule, /border-radius: var\(--chakra-radii-lg\);/);
  assert.match(rule, /font-size: 12px;/);
  assert.match(rule, /padding-inline: 0\.5rem;/);
});

test("the border of a palette falls back to a colour that the theme of 3.1 has", () => {
  const [rule] = rulesOf(plain.Box({ borderColor: "red.border" }));
  assert.match(rule, /border-color: var\(--chakra-colors-red-border, var\(--chakra-colors-red-solid\)\);/);
});

test("a wider screen has its rule after the narrower one", () => {
  const found = rulesOf(plain.SimpleGrid({ columns: { base: 1, lg: 2 }, hideBelow: "sm" }));
  assert.match(found[0], /^\.\S+ \{ display: grid; grid-template-columns: repeat\(1,/);
  assert.match(found[1], /^@media \(min-width: 64rem\).*repeat\(2,/);
  assert.match(found[2], /^@media not all and \(min-width: 30rem\).*display: none;/);
});

test("what is no style stays a property, and the same styles are written once", () => {
  const first = plain.Text({ "aria-label": "a", as: "span", children: ["x", null], mt: 7 });
  const written = rules.length;
  const second = plain.Text({ as: "span", mt: 7 });
  assert.deepEqual([first.type, first.props["aria-label"], first.children], ["span", "a", ["x"]]);
  assert.equal(second.props.className, first.props.className);
  assert.equal(rules.length, written);
});

test("a button that is a link has the link's element and the button's class", () => {
  const link = { type: "a", props: { to: "/dags" } };
  const button = plain.Button({ asChild: true, children: link, size: "xs", variant: "outline" });
  assert.deepEqual([button.type, button.props.to], ["a", "/dags"]);
  assert.ok(rulesOf(button).some((rule) => rule.includes("border-color: var(--chakra-colors-border)")));
  assert.ok(!("variant" in button.props) && !("size" in button.props));
});

test("a link stays below the path at which Airflow is served", () => {
  const { type, props } = addresses.Link({ children: "x", to: "/dags/a%20b?tab=1" });
  assert.deepEqual([type, props.href], ["a", "https://airflow.example.org/below/dags/a%20b?tab=1"]);
});

test("a chosen range goes into the address, and the rest of it stays", () => {
  const [query, change] = addresses.useSearchParams();
  assert.equal(query.get("range"), "30");
  change((before) => {
    before.set("range", "all");
    return before;
  });
  const { pathname, search, state } = globalThis.location;
  assert.deepEqual([pathname, search], ["/below/plugin/directory", "?range=all"]);
  assert.deepEqual(state, { key: "of the router" });
});
