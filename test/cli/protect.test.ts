// `forebay topic protect`.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mask, protectionPolicy } from "../support/data-protection.js";
import { temporaryDirectory } from "../support/temporary-store.js";
import { cliScenario } from "./harness.js";

test("a policy is set from a file, shown, in force and removed", async () => {
  const { json, run, t } = await cliScenario();
  await run("topic create news");
  await run("subscribe news orders --raw");
  expect((await run("topic protect news")).stderr).toContain("has no data protection policy");
  const policy = protectionPolicy([{ identifiers: ["EmailAddress"], operation: mask() }]);
  const path = join(temporaryDirectory(), "policy.json");
  writeFileSync(path, policy);
  expect(await json(["topic", "protect", "news", "--policy", path])).toEqual({
    topic: "news",
    dataProtectionPolicy: policy,
  });
  expect((await run("topic protect news --show -o raw")).stdout).toBe(`${policy}\n`);
  await run(["publish", "news", "to a@example.org"]);
  expect(await t.receive()).toMatchObject([{ body: "to #############" }]);
  expect(await json("topic protect news --remove")).toMatchObject({ dataProtectionPolicy: "" });
  expect((await run("topic protect news --show --remove")).exitCode).toBe(2);
  writeFileSync(path, "{}");
  const refused = await run(["topic", "protect", "news", "--policy", path]);
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stderr).toContain("INVALID_POLICY");
  writeFileSync(path, " ");
  expect((await run(["topic", "protect", "news", "--policy", path])).exitCode).toBe(2);
});
