// `forebay init`: what it writes, that nobody else can read it, and that it never writes over anything.

import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { forebay } from "./harness.js";

let directory: string;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "forebay-init-")), "certificates");
});

const init = (...args: readonly string[]) => forebay(["init", ...args]);
const certificateIn = (file: string) => new X509Certificate(readFileSync(join(directory, file)));

test("makes a CA and a certificate for each node, which it signed", async () => {
  const { exitCode, stderr } = await init(
    "--cluster",
    "eu",
    "--node",
    "a",
    "--node",
    "b",
    "--dir",
    directory,
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(readdirSync(directory)).toEqual(["a.crt", "a.key", "b.crt", "b.key", "ca.crt", "ca.key"]);
  const ca = certificateIn("ca.crt");
  const b = certificateIn("b.crt");
  expect({ isCa: ca.ca, names: ca.subjectAltName }).toEqual({
    isCa: true,
    names: "URI:spiffe://eu",
  });
  expect({ isCa: b.ca, names: b.subjectAltName }).toEqual({
    isCa: false,
    names: "URI:spiffe://eu/node/b",
  });
  expect(b.verify(ca.publicKey) && b.checkIssued(ca)).toBe(true);
  expect(b.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  expect(new Date(b.validTo).getTime() - Date.now()).toBeGreaterThan(364 * 86_400_000);
});

test("lets nobody else read what it wrote", async () => {
  await init("--cluster", "eu", "--node", "a", "--dir", directory);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  for (const file of readdirSync(directory)) {
    expect(statSync(join(directory, file)).mode & 0o777, file).toBe(0o600);
  }
});

test("says what to copy and which settings to write", async () => {
  const { stdout } = await init("--cluster", "eu", "--node", "a", "--dir", directory);
  for (const line of ["cluster_name: eu", "node_name: a", "replication_cert_file: a.crt"]) {
    expect(stdout).toContain(`  ${line}\n`);
  }
  expect(stdout).toContain("copy ca.crt, a.crt and a.key to it");
  expect(stdout).toContain(`Keep ${join(directory, "ca.key")} off the nodes`);
});

test("makes further nodes with the CA that is there, of the cluster it names", async () => {
  await init("--cluster", "eu", "--node", "a", "--dir", directory);
  const { exitCode, stdout } = await init("--ca", directory, "--node", "d", "--days", "30");
  expect(exitCode).toBe(0);
  expect(stdout).toContain("  cluster_name: eu\n");
  expect(stdout).not.toContain("Keep ");
  const d = certificateIn("d.crt");
  expect(d.subjectAltName).toBe("URI:spiffe://eu/node/d");
  expect(d.checkIssued(certificateIn("ca.crt"))).toBe(true);
  expect(new Date(d.validTo).getTime() - Date.now()).toBeLessThan(30 * 86_400_000 + 1);
});

test("overwrites nothing, and writes nothing beside what it would have overwritten", async () => {
  await init("--cluster", "eu", "--node", "a", "--dir", directory);
  const before = readFileSync(join(directory, "ca.key"), "utf8");
  const again = await init("--cluster", "eu", "--node", "z", "--dir", directory);
  expect(again.exitCode).toBe(4);
  expect(again.stderr).toContain("nothing was written");
  expect(readFileSync(join(directory, "ca.key"), "utf8")).toBe(before);
  const node = await init("--ca", directory, "--node", "y", "--node", "a");
  expect(node.exitCode).toBe(4);
  expect(readdirSync(directory)).toEqual(["a.crt", "a.key", "ca.crt", "ca.key"]);
});

test.each([
  [["--node", "a"], "--cluster"],
  [["--cluster", "eu", "--ca", "x", "--node", "a"], "--cluster"],
  [["--cluster", "eu"], "--node"],
  [["--cluster", "EU", "--node", "a"], '"EU" is no name'],
  [["--cluster", "eu", "--node", "a/../b"], '"a/../b" is no name'],
  [["--cluster", "eu", "--node", "ca"], "cannot be called ca"],
  [["--cluster", "eu", "--node", "a", "--node", "a"], "named twice"],
  [["--cluster", "eu", "--node", "a", "--days", "3651"], "at most 3650"],
])("%j is refused with a sentence", async (args, sentence) => {
  const { exitCode, stderr } = await init(...args, "--dir", directory);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(sentence);
});

test("a CA that is not there, or is not one, is told of", async () => {
  const absent = await init("--ca", directory, "--node", "a");
  expect(absent).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("There is no ") });
  await init("--cluster", "eu", "--node", "a", "--dir", directory);
  await init("--cluster", "us", "--node", "a", "--dir", `${directory}-2`);
  writeFileSync(join(directory, "ca.key"), readFileSync(join(`${directory}-2`, "ca.key")));
  const mixed = await init("--ca", directory, "--node", "b");
  expect(mixed).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("not that of its certificate"),
  });
});
