// On what condition an item is written or deleted. An item that has ended, and one that only says that the origin has none, counts as
// absent. Values are compared as bytes.

import { hash } from "node:crypto";

export type Condition =
  | { readonly kind: "always" | "absent" | "present" }
  | {
      readonly kind: "equal" | "not_equal" | "present_and_not_equal" | "absent_or_equal";
      readonly value: Buffer;
    }
  | { readonly kind: "version_equal" | "absent_or_version"; readonly version: number }
  | { readonly kind: "hash_equal" | "hash_not_equal"; readonly sha256: Buffer }
  | { readonly kind: "newer_external"; readonly version: bigint };

/** What a condition is judged by; undefined where there is nothing. */
export interface Judged {
  readonly version: number;
  /** 0: it was written without one. */
  readonly externalVersion: bigint;
  /** Undefined: it is a collection. */
  readonly value: Buffer | undefined;
}

export type Verdict = "holds" | "fails" | "wrong_type";

export function judge(condition: Condition, item: Judged | undefined): Verdict {
  switch (condition.kind) {
    case "always":
      return "holds";
    case "absent":
      return verdict(item === undefined);
    case "present":
      return verdict(item !== undefined);
    case "equal":
      return byValue(item, false, (value) => value.equals(condition.value));
    case "not_equal":
      return byValue(item, true, (value) => !value.equals(condition.value));
    case "present_and_not_equal":
      return byValue(item, false, (value) => !value.equals(condition.value));
    case "absent_or_equal":
      return byValue(item, true, (value) => value.equals(condition.value));
    case "version_equal":
      return verdict(item?.version === condition.version);
    case "absent_or_version":
      return verdict(item === undefined || item.version === condition.version);
    case "hash_equal":
      return byValue(item, false, (value) => sha256(value).equals(condition.sha256));
    case "hash_not_equal":
      return byValue(item, true, (value) => !sha256(value).equals(condition.sha256));
    case "newer_external":
      return verdict(item === undefined || item.externalVersion < condition.version);
  }
}

const verdict = (holds: boolean): Verdict => (holds ? "holds" : "fails");

function byValue(
  item: Judged | undefined,
  ifAbsent: boolean,
  holds: (value: Buffer) => boolean,
): Verdict {
  if (item === undefined) return verdict(ifAbsent);
  return item.value === undefined ? "wrong_type" : verdict(holds(item.value));
}

const sha256 = (value: Buffer): Buffer => Buffer.from(hash("sha256", value, "hex"), "hex");
