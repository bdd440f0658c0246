// Cron patterns: which times of the calendar they name. The calendar here knows no zones and no changes of clocks; what a zone
// makes of its times is said elsewhere (`queue/schedule-times.ts`).
//
// The patterns are croner's, read in its calendar of UTC and always asked from a given time on, so that neither the clock nor
// the zone of this process plays a part. Its search ends after 400 years, some 30 ms at worst, and in the year 3000.

import { Cron, CronPattern } from "croner";
import { type LocalMs, localMs } from "./brands.js";
import { dateAt } from "./dates.js";

/** Characters of a pattern at most. */
const cronCharactersMax = 128;

/** A pattern that could be read. */
export interface CronTimes {
  /** True when its hours are all 24. */
  readonly hasEveryHour: boolean;
  /** The first time strictly after another, on whole seconds; undefined when none comes. */
  next(after: LocalMs): LocalMs | undefined;
}

export type CronReading =
  | { readonly kind: "read"; readonly times: CronTimes }
  /** `problem` says where, and what may stand there. */
  | { readonly kind: "unreadable"; readonly problem: string };

const fields = [
  { name: "second", allowed: "0 to 59" },
  { name: "minute", allowed: "0 to 59" },
  { name: "hour", allowed: "0 to 23" },
  { name: "day of month", allowed: "1 to 31, L for the last, 15W for the weekday nearest to one" },
  { name: "month", allowed: "1 to 12 or JAN to DEC" },
  {
    name: "day of week",
    allowed: "0 to 7 or SUN to SAT, FRI#2 for the second, FRIL for the last of a month",
  },
] as const;

const forms = "alone, or as in 1,2 and 1-5 and */15 and 0-30/5";
const fieldCharacters = /^[\dA-Za-z*,/#-]+$/;
const options = { mode: "5-or-6-parts", utcOffset: 0 } as const;

export function readCron(text: string): CronReading {
  const kept = read.get(text);
  if (kept !== undefined) return { kind: "read", times: kept };
  if (text.length > cronCharactersMax) return unreadable(`has ${text.length} characters; ${bound}`);
  const words = [...text.matchAll(/\S+/g)].map((match) => ({ word: match[0], at: match.index }));
  if (words.length !== 5 && words.length !== 6) {
    return unreadable(`has ${words.length} fields; ${layout}`);
  }
  const areKnown = words.every(({ word }) => fieldCharacters.test(word));
  const times = areKnown ? timesOf(text) : undefined;
  if (times === undefined) return unreadable(fieldProblem(words));
  read.set(text, times);
  const oldest = read.size > readMax ? read.keys().next().value : undefined;
  if (oldest !== undefined) read.delete(oldest);
  return { kind: "read", times };
}

/** Patterns kept as read, at some 80 KB each: reading one takes 0.1 ms, and many schedules run by the same few. */
const readMax = 32;
const read = new Map<string, CronTimes>();

const unreadable = (problem: string): CronReading => ({ kind: "unreadable", problem });
const bound = `at most ${cronCharactersMax} are allowed`;
const layout =
  "5 are needed (minute, hour, day of month, month, day of week), or 6 with the second first";

interface Word {
  readonly word: string;
  /** In the pattern, from 0. */
  readonly at: number;
}

/** Which field it is: with all others open, it alone is what croner objects to. */
function fieldProblem(words: readonly Word[]): string {
  const first = fields.length - words.length;
  for (const [index, { word, at }] of words.entries()) {
    const field = fields[first + index];
    const alone = fields.map((_, other) => (other === first + index ? word : "*")).join(" ");
    if (field === undefined || (fieldCharacters.test(word) && timesOf(alone) !== undefined)) {
      continue;
    }
    return `the ${field.name} ${JSON.stringify(word)} at character ${at + 1} must be ${field.allowed}; ${forms}`;
  }
  return "its fields do not go together";
}

/** Undefined when croner does not take it. */
function timesOf(text: string): CronTimes | undefined {
  const cron = cronOf(text);
  if (cron === undefined) return undefined;
  const { hour } = new CronPattern(text, undefined, { mode: options.mode });
  return {
    hasEveryHour: hour.every((isNamed) => isNamed > 0),
    next: (after) => {
      const next = cron.nextRun(dateAt(after));
      return next === null ? undefined : localMs(next.getTime());
    },
  };
}

function cronOf(text: string): Cron | undefined {
  try {
    // croner writes into the options it is given.
    return new Cron(text, { ...options });
  } catch {
    // It throws a TypeError, a RangeError or an Error for whatever it does not take.
    return undefined;
  }
}
