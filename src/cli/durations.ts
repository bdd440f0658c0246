// Spans of time as people write them: `500ms`, `30s`, `2m`, `12h`, `4d`. A unit is required, since a bare number would mean
// seconds to some and milliseconds to others.

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds; undefined when the text is no span. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  const scale = unitMs[unit ?? ""];
  return amount === undefined || scale === undefined
    ? undefined
    : Math.round(Number(amount) * scale);
}

/** The shortest exact way to write a span: `1500ms`, `90s`, `4d`. */
export function formatDuration(spanMs: number): string {
  const units = Object.entries(unitMs).reverse();
  const [unit, scale] = units.find(([, size]) => spanMs >= size && spanMs % size === 0) ?? [
    "ms",
    1,
  ];
  return spanMs === 0 ? "0s" : `${spanMs / scale}${unit}`;
}
