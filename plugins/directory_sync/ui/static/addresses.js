// Links and the query of the page's address, for an Airflow that lends plugins no React Router (3.1.0).
// A link loads the page that it leads to anew.

const { createElement: h, forwardRef, useEffect, useMemo, useState } = globalThis.React;

/** A link to a path of Airflow's interface, which may be served below a path. */
export const Link = forwardRef(({ to, ...rest }, ref) =>
  h("a", { ...rest, href: new URL(to.replace(/^\//, ""), document.baseURI).href, ref }),
);

/** The query of the address, and what changes it without a new entry in the history. */
export function useSearchParams() {
  const { history, location } = globalThis;
  const [text, setText] = useState(location.search);
  useEffect(() => {
    const follow = () => setText(location.search);
    globalThis.addEventListener("popstate", follow);
    return () => globalThis.removeEventListener("popstate", follow);
  }, [location]);
  const query = useMemo(() => new URLSearchParams(text), [text]);
  const change = (edit) => {
    const next = edit(new URLSearchParams(location.search)).toString();
    // The whole path: an address of the query alone is relative to the page's <base>.
    history.replaceState(history.state, "", next ? `${location.pathname}?${next}` : location.pathname);
    setText(location.search);
  };
  return [query, change];
}
