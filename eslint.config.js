// What eslint holds against the page's modules and their tests. The browser loads the modules as they stand.

import js from "@eslint/js";

const readonly = (...names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

const MARKUP = "What others wrote is text, never markup.";
const RULES = {
  "array-callback-return": "error",
  "default-case-last": "error",
  eqeqeq: "error",
  "no-alert": "error",
  "no-console": "error",
  "no-else-return": "error",
  "no-eval": "error",
  "no-implicit-coercion": "error",
  "no-implied-eval": "error",
  "no-new-func": "error",
  "no-param-reassign": "error",
  "no-restricted-syntax": [
    "error",
    { selector: "Identifier[name=/^(innerHTML|outerHTML|dangerouslySetInnerHTML)$/]", message: MARKUP },
  ],
  "no-self-compare": "error",
  "no-shadow": "error",
  "no-unused-expressions": "error",
  "no-use-before-define": ["error", { functions: false }],
  "no-var": "error",
  "object-shorthand": "error",
  "prefer-const": "error",
  "prefer-template": "error",
};
const OF_BROWSERS = readonly(
  ...["AbortController", "CSSStyleSheet", "ResizeObserver", "URL", "URLSearchParams", "clearInterval", "clearTimeout"],
  ...["document", "fetch", "setInterval", "setTimeout"],
);
const strict = { linterOptions: { reportUnusedDisableDirectives: "error" }, rules: RULES };

export default [
  { ignores: [".venv/", ".demo/", ".deploy/", ".environments/", ".foreign/", ".release/"] },
  js.configs.recommended,
  { files: ["plugins/directory_sync/ui/static/*.js"], languageOptions: { globals: OF_BROWSERS }, ...strict },
  {
    files: ["eslint.config.js", "tests/ui/*.js"],
    languageOptions: { globals: readonly("AbortController", "URL") },
    ...strict,
  },
];
