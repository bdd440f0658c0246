// What of the settings given is not as it is now: creating or subscribing again with the same or with fewer is no error.

import { isDeepStrictEqual } from "node:util";

/** The names, in the order of `names`, of settings that are given and not equal to the current ones. */
export function differing<Settings extends object>(
  current: Settings,
  given: Partial<Settings>,
  names: Readonly<Record<keyof Settings, string>>,
): readonly string[] {
  const different: string[] = [];
  for (const key of Object.keys(names) as (keyof Settings)[]) {
    if (key in given && !isDeepStrictEqual(given[key], current[key])) different.push(names[key]);
  }
  return different;
}
