// What every error owes its caller, whatever it is about: a sentence, typed details that fit its code, and every variable of
// the sentence as metadata, so that nobody has to read it out of a text.

import { expect } from "vitest";
import type { CallError } from "./call-error.js";

/** The error of a call that must fail. */
export const failureOf = async (call: Promise<unknown>): Promise<CallError> =>
  await call.then(
    () => Promise.reject(new Error("The call succeeded.")),
    (error: unknown) => error as CallError,
  );

/** The bad fields one by one stand in the BadRequest; the metadata are about the first. */
const fieldReasons = new Set([
  "MISSING_PARAMETER",
  "INVALID_PARAMETER",
  "INVALID_PAGE_TOKEN",
  "INVALID_MESSAGE_CONTENTS",
  "INVALID_ATTRIBUTE_VALUE",
  "UNKNOWN_ATTRIBUTE",
  "EMPTY_BATCH",
  "TOO_MANY_ENTRIES",
  "BATCH_ENTRY_ID_INVALID",
  "BATCH_ENTRY_IDS_NOT_DISTINCT",
  "BATCH_TOO_LONG",
  "BAD_NAME",
  "EMPTY_KEY",
  "KEY_TOO_LONG",
  "TTL_INVALID",
  "LIMIT_EXCEEDED",
  "CONFLICTING_OPTIONS",
  "BAD_RANGE",
  "NAN_INPUT",
  "CURSOR_INVALID",
]);

/** Numbers that stand in a text for every caller: 60 s of strict timing, a lease's 12 h, the largest message. */
const constants = new Set(["60", "12", "1048576"]);

export function checkDetails(error: CallError): void {
  expect(error.domain).toBe("forebay");
  // A sentence or several, without anything of ours that callers cannot use.
  expect(error.message).toMatch(/^\S.{10,}[.)]$/s);
  expect(error.message).not.toMatch(/undefined|NaN|\[object|at .*\.ts/);
  if (error.code === "INVALID_ARGUMENT" && error.reason !== "MALFORMED_REQUEST") {
    expect(error.violations).not.toEqual([]);
    expect(error.violations).not.toContain("");
  }
  if (error.code === "NOT_FOUND") expect(error.resource).toMatch(/^\S+ \S+$/);
  if (error.code === "RESOURCE_EXHAUSTED") expect(error.quota).not.toEqual([]);
  if (error.code === "RESOURCE_EXHAUSTED" || error.code === "UNAVAILABLE") {
    expect(error.pushback).toMatch(/^(-1|[1-9]\d*)$/);
    if (error.pushback !== "-1") expect(error.retryAfterMs).toBeGreaterThan(0);
  } else if (error.retryAfterMs === undefined) {
    expect(error.pushback).toBeUndefined();
  }
  checkMetadata(error);
}

function checkMetadata({ message, metadata, reason = "", violations }: CallError): void {
  const values = Object.values(metadata);
  for (const key of Object.keys(metadata)) expect(key).toMatch(/^[a-z][a-z0-9_]*$/);
  for (const value of values) expect(value).not.toBe("");
  if (fieldReasons.has(reason)) {
    if (metadata["field"] !== undefined) expect(metadata["field"]).toBe(violations[0]);
    expect(values, message).not.toEqual([]);
    return;
  }
  for (const [, name] of message.matchAll(/"([^"]+)"/g)) expect(values, message).toContain(name);
  // How many may wait is the server's own setting, no quota of the caller's.
  if (reason === "THROTTLED") return;
  const text = message.replace(/"[^"]*"/g, "");
  for (const [number] of text.matchAll(/\d+(?:\.\d+)?/g)) {
    const isNamed = constants.has(number) || values.some((value) => value.includes(number));
    expect(isNamed, `${number} of "${message}" in ${values.join()}`).toBe(true);
  }
}
