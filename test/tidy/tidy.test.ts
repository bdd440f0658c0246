// The source's own properties (source-rules.ts) over the whole repository, and those of its package files.

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { missingEntries } from "../../scripts/complete-lockfile.mjs";
import { bannedIn, headerOf, notesIn, type Violation } from "./source-rules.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

const folders = ["src", "clients", "test", "bench", "examples", "scripts"];
const skipped = /(?:^|\/)(?:node_modules|dist|gen)\//;

const files = folders
  .flatMap(filesBelow)
  .filter((path) => /\.(?:ts|mjs|cjs)$/.test(path) && !skipped.test(path))
  .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));

test("time, randomness, ids and settings enter the server in one file each", () => {
  const server = files.filter(({ path }) => path.startsWith("src/"));
  expect(server.length).toBeGreaterThan(0);
  expect(complaints(server, bannedIn)).toEqual([]);
});

test("every file begins with a comment that says what it is", () => {
  expect(complaints(files, headerOf)).toEqual([]);
});

test("no work is left as a note in the code", () => {
  const protos = filesBelow("proto/forebay").map((path) => ({
    path,
    text: readFileSync(join(root, path), "utf8"),
  }));
  expect(complaints([...files, ...protos], notesIn)).toEqual([]);
});

const packages = [".", "clients/typescript", "clients/express-session", "clients/keyv"].map(
  (folder) => join(folder, "package.json"),
);

test("every dependency is pinned to one version", () => {
  for (const path of packages) {
    const { dependencies = {}, devDependencies = {} } = readJson(path) as Manifest;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, `${name} in ${path}`).toMatch(/^\d+\.\d+\.\d+$/);
    }
  }
});

test("the server and its client require the same versions of what they share", () => {
  const server = readJson("package.json") as Manifest;
  const client = readJson("clients/typescript/package.json") as Manifest;
  expect(server.dependencies).toMatchObject(client.dependencies ?? {});
  expect(server.dependencies?.["@forebay/client"]).toBe(client.version);
  expect(server.version).toBe(client.version);
});

test("the lockfile names no registry, so that it installs from any", () => {
  const { packages } = readJson("package-lock.json") as { packages: Record<string, Locked> };
  const remote = Object.entries(packages).filter(([, { resolved }]) => resolved?.includes("://"));
  expect(remote.map(([path]) => path)).toEqual([]);
});

test("the lockfile knows the binaries of every platform, so that it installs on any", () => {
  const { packages } = readJson("package-lock.json") as { packages: Record<string, Locked> };
  // When it fails: node scripts/complete-lockfile.mjs
  expect(Object.keys(missingEntries(packages))).toEqual([]);
});

interface Manifest {
  readonly version: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}

interface Locked {
  readonly resolved?: string;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

type Rule = (path: string, text: string) => Violation[];

function complaints(sources: readonly SourceFile[], rule: Rule): string[] {
  return sources
    .flatMap(({ path, text }) => rule(path, text))
    .map(({ path, line, complaint }) => `${path}:${line}: ${complaint}`);
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}
