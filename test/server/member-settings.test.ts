// What a member is told of its operator's settings.

import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../src/config.js";
import { memberSettings } from "../../src/server/member-settings.js";

function configOf(changes: object = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), "forebay-member-settings-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  const { config } = loadConfig({ args: [], env: {}, workingDirectory: dataDir });
  return { ...config, dataDir, ...changes };
}

test("the log takes at most a fifth of the disk where nobody says how much it may", () => {
  const config = configOf();
  const { blocks, bsize } = statfsSync(config.dataDir);
  expect(config.logBytesMax).toBe(0);
  expect(memberSettings(config).logBytesMax).toBe(Math.floor((blocks * bsize) / 5));
});

test("the log takes as much as its operator says", () => {
  expect(memberSettings(configOf({ logBytesMax: 5_000_000_000 })).logBytesMax).toBe(5_000_000_000);
});

test("a short lease keeps a margin that it can spare", () => {
  expect(memberSettings(configOf({ leaseTtlSeconds: 2 })).leaseMarginMs).toBe(200);
  expect(memberSettings(configOf({ leaseTtlSeconds: 60 })).leaseMarginMs).toBe(1_000);
});
