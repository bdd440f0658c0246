// Time zones: how far the clocks of a place are from UTC at an instant. From the zone data that Node brings along (ICU), so
// they are as new as the Node that runs.

import { assert } from "./assert.js";
import { type DurationMs, type EpochMs, milliseconds } from "./brands.js";

export interface TimeZone {
  /** What its clocks show more than UTC's. */
  offsetAt(instant: EpochMs): DurationMs;
}

/** A zone by its IANA name; undefined when there is none of this name. */
export function findTimeZone(name: string): TimeZone | undefined {
  const kept = opened.get(name);
  if (kept !== undefined) return kept;
  const zone = open(name);
  if (zone === undefined) return undefined;
  opened.set(name, zone);
  const oldest = opened.size > openedMax ? opened.keys().next().value : undefined;
  if (oldest !== undefined) opened.delete(oldest);
  return zone;
}

/** Zones kept open, at some 50 KB each: to open one takes 100 us, to ask it 1 us. */
const openedMax = 64;
const opened = new Map<string, TimeZone>();

function open(name: string): TimeZone | undefined {
  // Newer Nodes take offsets such as +01:00 as well, older ones do not.
  if (!/^[A-Za-z]/.test(name)) return undefined;
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    return { offsetAt: (instant) => offsetIn(format.format(instant)) };
  } catch (error) {
    // What Intl throws for a name it does not know.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const offsetText = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;

/** Of a text such as `3/17/2030, GMT+01:00`. */
function offsetIn(text: string): DurationMs {
  const found = offsetText.exec(text);
  assert(found !== null, "a long offset is GMT with hours and minutes");
  const [, sign = "+", hours = "0", minutes = "0", seconds = "0"] = found;
  const span = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return milliseconds((sign === "-" ? -span : span) * 1_000);
}
