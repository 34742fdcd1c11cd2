// Numbers, times and durations for people.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { words } from "./page.js";

const NOW = new Date("2026-03-01T12:00:00Z");
const before = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const choose = (zone) => {
  globalThis.localStorage = { getItem: (name) => (name === "timezone" ? JSON.stringify(zone) : null) };
};

afterEach(() => {
  delete globalThis.localStorage;
});

test("one is singular, all else is plural", () => {
  assert.equal(words.counted(1, "entry", "entries"), "1 entry");
  assert.equal(words.counted(28_298, "entry", "entries"), "28,298 entries");
  assert.equal(words.counted(0, "run"), "0 runs");
  assert.equal(words.count(1234.6), "1,235");
});

for (const [seconds, said] of [
  [44, "just now"],
  [46, "1 minute ago"],
  [89 * 60, "89 minutes ago"],
  [90 * 60, "2 hours ago"],
  [47 * 3_600, "47 hours ago"],
  [48 * 3_600, "2 days ago"],
  [61 * 86_400, "2 months ago"],
  [-10, "just now"],
  [-3 * 3_600, "in 3 hours"],
])
  test(`${seconds} seconds before now are "${said}"`, () =>
    assert.equal(words.ago(before(seconds), NOW), said));

for (const [seconds, said] of [
  [null, "–"],
  [undefined, "–"],
  [0, "0.0 s"],
  [7.04, "7.0 s"],
  [59.94, "59.9 s"],
  [59.96, "1 min 00 s"],
  [125, "2 min 05 s"],
  [3_599.7, "1 h 00 min"],
  [3_900, "1 h 05 min"],
  [90_000, "1 d 01 h"],
])
  test(`${seconds} seconds last "${said}"`, () => assert.equal(words.duration(seconds), said));

test("a list is read as a sentence", () => {
  assert.deepEqual([[], ["a"], ["a", "b"], ["a", "b", "c"]].map(words.listed), ["", "a", "a and b", "a, b and c"]);
});

test("moments are told in the time zone that is chosen in Airflow", () => {
  choose("Asia/Kathmandu");
  assert.equal(words.moment("2026-03-01T23:00:00Z"), "2026-03-02 04:45");
  assert.equal(words.day("2026-03-01T23:00:00Z"), "2 Mar");
  choose("America/New_York");
  assert.equal(words.moment("2026-03-01T23:00:00Z"), "2026-03-01 18:00");
  assert.match(words.exactMoment("2026-03-01T23:00:05Z"), /^2026-03-01 18:00:05 /);
  assert.equal(words.month("2026-03-01T03:00:00Z"), "Feb 2026");
});

test("a time zone that is no zone, or none at all, is the browser's", () => {
  assert.equal(words.timeZone(), undefined);
  choose("Middle/Earth");
  assert.equal(words.timeZone(), undefined);
});

test("a time to come is a clock time today, and has its day otherwise", () => {
  choose("Europe/Berlin");
  assert.equal(words.clock("2026-03-01T17:12:00Z", NOW), "18:12");
  assert.equal(words.atClock("2026-03-01T17:12:00Z", NOW), "at 18:12");
  assert.equal(words.atClock("2026-03-01T23:30:00Z", NOW), "on 2 Mar, 00:30");
});
