// Attributes of type Number on the command line. Filters compare numbers only with these.

import type { TypedAttribute } from "@forebay/client";
import { usageFailure } from "./failure.js";

export function numbered(
  numbers: Readonly<Record<string, string>> = {},
): Readonly<Record<string, TypedAttribute>> {
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => {
      if (Number.isNaN(Number(value)) || value.trim() === "") {
        throw usageFailure(`"${value}" is no number.`, "Texts go with --attribute.");
      }
      return [name, { type: "Number", value }];
    }),
  );
}
