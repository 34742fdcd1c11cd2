// Numbers, times and durations as texts. The page's text is English, so its numbers are written as in English.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const count = (number) => Math.round(number).toLocaleString("en");

/** "1 entry", "2 entries". The plural has an added s, unless it is given. */
export const counted = (number, noun, plural = `${noun}s`) =>
  `${count(number)} ${Math.round(number) === 1 ? noun : plural}`;

/** The time zone chosen in Airflow's interface; undefined: the browser's. */
export function timeZone() {
  try {
    const chosen = JSON.parse(globalThis.localStorage.getItem("timezone"));
    return new Intl.DateTimeFormat("en", { timeZone: chosen }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

// The Swedish locale writes dates in ISO 8601, like Airflow's own interface.
const written = (iso, options) =>
  new Intl.DateTimeFormat("sv-SE", { timeZone: timeZone(), ...options }).format(new Date(iso));

export const moment = (iso) => written(iso, { dateStyle: "short", timeStyle: "short" });

export const exactMoment = (iso) =>
  written(iso, {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });

export const day = (iso) =>
  new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: timeZone() }).format(
    new Date(iso),
  );

export const month = (iso) =>
  new Intl.DateTimeFormat("en-US", { month: "short", year: "numeric", timeZone: timeZone() }).format(
    new Date(iso),
  );

const dated = (iso) =>
  new Intl.DateTimeFormat("en-GB", { dateStyle: "short", timeZone: timeZone() }).format(new Date(iso));

/** A time to come or just past: "18:12" on the same day, else "28 Nov, 18:12". */
export function clock(iso, now) {
  const time = written(iso, { hour: "2-digit", minute: "2-digit" });
  return dated(iso) === dated(now) ? time : `${day(iso)}, ${time}`;
}

/** "at 18:12" on the same day, else "on 28 Nov, 18:12". */
export const atClock = (iso, now) => `${dated(iso) === dated(now) ? "at" : "on"} ${clock(iso, now)}`;

const STEPS = [
  [90 * MINUTE, MINUTE, "minute"],
  [48 * HOUR, HOUR, "hour"],
  [60 * DAY, DAY, "day"],
];

function inSteps(seconds) {
  const [, size, unit] = STEPS.find(([limit]) => seconds < limit) ?? [null, 30 * DAY, "month"];
  return counted(Math.max(1, Math.round(seconds / size)), unit);
}

/** "4 hours ago", "in 3 hours". */
export function ago(iso, now) {
  const seconds = (now - new Date(iso)) / 1000;
  if (Math.abs(seconds) < 45) return "just now";
  return seconds > 0 ? `${inSteps(seconds)} ago` : `in ${inSteps(-seconds)}`;
}

/** "24 hours", for an interval of a schedule. */
export const interval = (seconds) => inSteps(seconds);

/** "7.0 s", "2 min 05 s", "1 h 05 min". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < MINUTE - 0.05) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${two(whole % MINUTE)} s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${two((whole % HOUR) / MINUTE)} min`;
  return `${Math.floor(whole / DAY)} d ${two((whole % DAY) / HOUR)} h`;
}

/** "a", "a and b", "a, b and c". */
export const listed = (parts) =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
