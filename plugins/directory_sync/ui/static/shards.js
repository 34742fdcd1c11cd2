// How far the shards of a run are. Pure functions.

import { median } from "./shape.js";
import { duration } from "./words.js";

const time = (iso) => new Date(iso).getTime();
const seconds = (task, now) => ((task.end_date ? time(task.end_date) : now) - time(task.start_date)) / 1000;
/** A shard that runs is never shown as done. */
const ALMOST = 0.95;

function barOf(shard, earlier, now) {
  if (shard.state === "success") return { share: 1, text: `done in ${duration(seconds(shard, now))}` };
  if (shard.state === "skipped") return { share: 0, text: "not needed" };
  if (shard.state === "up_for_retry") return { share: 0, text: "is tried again" };
  if (shard.state !== "running" || !shard.start_date) return { share: 0, text: shard.state ?? "waits" };
  const took = Math.max(0, seconds(shard, now));
  const usual = median(earlier.filter((task) => task.task_id === shard.task_id).map((task) => seconds(task, now)));
  if (!usual) return { share: 0, text: duration(took) };
  return { share: Math.min(ALMOST, took / usual), text: `${duration(took)} of about ${duration(usual)}` };
}

/**
 * A bar for each shard: {name, share, text}. A shard that reads is as far as its time is of what it usually takes.
 *
 * @param {object[]} shards the tasks of a run that read.
 * @param {object[]} tasks the tasks of earlier runs.
 * @param {Date} now the present time.
 */
export function shardBars(shards, tasks, now) {
  const earlier = tasks.filter((task) => task.state === "success" && task.start_date && task.end_date);
  return [...shards]
    .sort((one, other) => one.task_id.localeCompare(other.task_id, "en", { numeric: true }))
    .map((shard, index) => ({ name: `Shard ${index + 1}`, ...barOf(shard, earlier, now) }));
}
