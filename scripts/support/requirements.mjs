// What an answer must be, told with all of it where it is not.

/** Every field named in `expected` must be there and match, null for one that is unset; of lists, all and in order. */
export function requirePart(actual, expected, what) {
  const isPart = (have, want) => {
    if (want === undefined) return true;
    if (want === null) return (have ?? null) === null;
    if (Array.isArray(want)) {
      return have?.length === want.length && want.every((item, index) => isPart(have[index], item));
    }
    if (typeof want !== "object") return have === want;
    if (typeof have !== "object" || have === null) return false;
    return Object.entries(want).every(([name, value]) => isPart(have[name], value));
  };
  if (isPart(actual, expected)) return;
  throw new Error(`${what}: expected ${text(expected)} as part of ${text(actual)}`);
}

/** Both must be the same, in the same order. */
export function requireEqual(actual, expected, what) {
  if (text(actual) !== text(expected)) {
    throw new Error(`${what}: expected ${text(expected)}, got ${text(actual)}`);
  }
}

function text(value) {
  return JSON.stringify(value, undefined, 2);
}
