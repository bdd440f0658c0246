// Instants as people write them: `2026-12-24T18:00:00Z`, `2026-12-24T19:00+01:00`, or `+2h` from now. A zone is required,
// since a time without one would be local to some and UTC to others.

import { formatDuration, parseDuration } from "./durations.js";

/** An instant as it was given: for good, or counted from when the command runs. */
export type Instant =
  | { readonly kind: "at"; readonly time: Date }
  | { readonly kind: "fromNow"; readonly spanMs: number };

const isoPattern =
  /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:[0-5]\d)$/;

/** Undefined when the text is no instant. */
export function parseInstant(text: string): Instant | undefined {
  if (text.startsWith("+")) {
    const spanMs = parseDuration(text.slice(1));
    return spanMs === undefined ? undefined : { kind: "fromNow", spanMs };
  }
  const [, day] = isoPattern.exec(text) ?? [];
  const epochMs = Date.parse(text);
  if (day === undefined || Number.isNaN(epochMs) || !isDay(day)) return undefined;
  return { kind: "at", time: dateAt(epochMs) };
}

/** Whether the calendar has it: Date.parse takes February 30 for March 2. */
function isDay(day: string): boolean {
  const epochMs = Date.parse(`${day}T00:00Z`);
  return !Number.isNaN(epochMs) && dateAt(epochMs).toISOString().startsWith(day);
}

/** The time it is, now that the command runs. */
export function timeOf(instant: Instant, nowMs: number): Date {
  return instant.kind === "at" ? instant.time : dateAt(nowMs + instant.spanMs);
}

/** A span as people say it: whole seconds, from two minutes on whole minutes, and so on. At least a second. */
export function roughDuration(spanMs: number): string {
  const [, unitMs] = roughUnits.find(([below]) => spanMs < below) ?? [0, 86_400_000];
  return formatDuration(Math.max(1, Math.round(spanMs / unitMs)) * unitMs);
}

/** Up to which span each unit is fine enough, in milliseconds. */
const roughUnits = [
  [120_000, 1_000],
  [7_200_000, 60_000],
  [172_800_000, 3_600_000],
] as const;

// Made from a number, so no time is read here, which is the clock's alone.
function dateAt(epochMs: number): Date {
  return Reflect.construct(Date, [epochMs]);
}
