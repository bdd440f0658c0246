// Numbers as they stand in values: whole ones of 64 bits, and floating ones in the shortest text that reads as the same number.

/** Canonical: one text for each number, so that what is compared as bytes is compared as a number. */
const wholePattern = /^(?:0|-?[1-9][0-9]{0,18})$/;
const decimalPattern = /^-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

export const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n } as const;

/** Longer texts are no numbers that anybody counts with. */
const textBytesMax = 400;

/** Undefined: it is no whole number of 64 bits in canonical text. */
export function parseWhole(bytes: Buffer): bigint | undefined {
  if (bytes.length > 20) return undefined;
  const text = bytes.toString("latin1");
  if (!wholePattern.test(text)) return undefined;
  const value = BigInt(text);
  return value < int64.min || value > int64.max ? undefined : value;
}

/** Undefined: it is no finite number in decimal text. */
export function parseDecimal(bytes: Buffer): number | undefined {
  if (bytes.length > textBytesMax) return undefined;
  const text = bytes.toString("latin1");
  if (!decimalPattern.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** The shortest text that reads as the same number; zero has no sign. */
export const decimalText = (value: number): string => String(value === 0 ? 0 : value);

export interface CountBounds {
  readonly min: bigint;
  readonly max: bigint;
}

export type OverflowMode = "error" | "saturate" | "wrap";

/** The sum, or undefined where it is out of bounds and that is an error. */
export function addWhole(
  value: bigint,
  delta: bigint,
  { min, max }: CountBounds,
  mode: OverflowMode,
): bigint | undefined {
  const sum = value + delta;
  if (sum >= min && sum <= max) return sum;
  switch (mode) {
    case "error":
      return undefined;
    case "saturate":
      return sum < min ? min : max;
    case "wrap": {
      const size = max - min + 1n;
      const place = (sum - min) % size;
      return min + (place < 0n ? place + size : place);
    }
  }
}
