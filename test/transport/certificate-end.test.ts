// That a certificate ends is said before it does, and new files are found by a node that nobody calls.

import { expect, test } from "vitest";
import { epochMs } from "../../src/base/brands.js";
import { TlsFiles } from "../../src/replication/transport/tls-files.js";
import type { KeyedCertificate } from "../../src/security/certificates.js";
import { ManualClock } from "../support/manual-clock.js";
import { filesOf, newCa, newNode } from "./certificates.js";
import { rememberingLog } from "./harness.js";

const dayMs = 86_400_000;

function watched(ca: KeyedCertificate, validDays: number) {
  const clock = new ManualClock({ startAt: epochMs(Date.now()) });
  const { log, lines } = rememberingLog();
  const files = filesOf("a", ca, newNode(ca, "a", { validDays }));
  const watching = new TlsFiles(files.options, files.options.identity, { clock, log });
  const said = (): unknown[] =>
    lines.filter(({ level }) => level !== "info").map(({ level, daysLeft }) => [level, daysLeft]);
  return { clock, files, watching, lines, said };
}

test("from two weeks before its end on, once a day, and as an error once it has ended", async () => {
  const { clock, watching, said } = watched(newCa("eu", 100), 16);
  clock.advanceAtOnce(2 * dayMs - 120_000);
  expect(said()).toEqual([]);
  clock.advanceAtOnce(240_000);
  expect(said()).toEqual([["warn", 13]]);
  clock.advanceAtOnce(dayMs);
  expect(said()).toEqual([
    ["warn", 13],
    ["warn", 12],
  ]);
  clock.advanceAtOnce(13 * dayMs);
  expect(said().at(-1)).toEqual(["error", -1]);
  expect(said()).toHaveLength(15);
  watching.stop();
  expect(clock.timerCount).toBe(0);
});

test("the end of the CA that signed it counts as well", () => {
  const { said } = watched(newCa("eu", 10), 365);
  expect(said()).toEqual([["warn", expect.toSatisfy((left) => left === 9 || left === 10)]]);
});

test("new files are found within a minute, and end the warnings", () => {
  const ca = newCa("eu", 100);
  const { clock, files, watching, lines, said } = watched(ca, 5);
  expect(said()).toHaveLength(1);
  const made = newNode(ca, "a", { validDays: 90 });
  files.put({ node: made });
  clock.advanceAtOnce(60_000);
  expect(watching.current.cert).toBe(made.certificate);
  expect(lines.at(-1)?.["line"]).toBe("new certificates read");
  clock.advanceAtOnce(10 * dayMs);
  expect(said()).toHaveLength(1);
});
