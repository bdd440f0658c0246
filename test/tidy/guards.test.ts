// Guards that are never seen to bite may have stopped looking: a cruiser that reads no file reports no
// violation either. So every guard is shown a planted violation here, in a folder of its own, and must object.

import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bannedIn, headerOf, notesIn } from "./source-rules.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cruiserConfig = join(root, "test/tidy/import-direction.cjs");

let fixture: string;
beforeEach(() => {
  fixture = mkdtempSync(join(tmpdir(), "forebay-guards-"));
});
afterEach(() => {
  rmSync(fixture, { recursive: true });
});

describe("import direction", () => {
  // One violation of every rule. A rule added to the cruiser must be added here: the test compares the sets.
  const plants: readonly { rule: string; file: string; imports: string }[] = [
    { rule: "main-imports", file: "src/main.ts", imports: "./store/keys.js" },
    { rule: "cli-imports", file: "src/cli/send.ts", imports: "../engine/engine.js" },
    { rule: "config-imports", file: "src/config.ts", imports: "./engine/engine.js" },
    { rule: "edge-imports", file: "src/edge/health.ts", imports: "../store/keys.js" },
    { rule: "security-imports", file: "src/security/policy.ts", imports: "../queue/send.js" },
    { rule: "rpc-imports", file: "src/rpc/handlers.ts", imports: "../store/keys.js" },
    { rule: "delivery-imports", file: "src/delivery/push.ts", imports: "../rpc/wire.js" },
    { rule: "queue-imports", file: "src/queue/receive.ts", imports: "../store/keys.js" },
    { rule: "cache-imports", file: "src/cache/set.ts", imports: "../store/keys.js" },
    { rule: "topic-imports", file: "src/topic/publish.ts", imports: "../engine/engine.js" },
    { rule: "policy-imports", file: "src/policy/evaluate.ts", imports: "../queue/send.js" },
    { rule: "engine-imports", file: "src/engine/turns.ts", imports: "../rpc/wire.js" },
    { rule: "store-imports", file: "src/store/rows.ts", imports: "../engine/engine.js" },
    { rule: "replication-imports", file: "src/replication/leader.ts", imports: "../rpc/wire.js" },
    {
      rule: "replication/transport-imports",
      file: "src/replication/transport/link.ts",
      imports: "../../rpc/wire.js",
    },
    { rule: "cluster-imports", file: "src/cluster/etcd.ts", imports: "../engine/engine.js" },
    { rule: "base-imports", file: "src/base/clock.ts", imports: "../gen/stub.js" },
    { rule: "gen-imports", file: "src/gen/service.ts", imports: "../base/assert.js" },
    { rule: "known-units-only", file: "src/helpers/text.ts", imports: "../base/assert.js" },
    { rule: "nothing-imports-the-roof", file: "src/server.ts", imports: "./main.js" },
    {
      rule: "store-imports-service-types-only",
      file: "src/store/view.ts",
      imports: "../queue/send.js",
    },
    { rule: "only-store-imports-lmdb", file: "src/engine/commit.ts", imports: "lmdb" },
    { rule: "only-the-wire-imports-grpc-js", file: "src/cli/ls.ts", imports: "@grpc/grpc-js" },
    { rule: "rules-are-pure", file: "src/queue/purge.ts", imports: "node:fs" },
    {
      rule: "only-the-command-line-imports-the-client",
      file: "src/rpc/forward.ts",
      imports: "@forebay/client",
    },
    {
      rule: "client-by-its-name",
      file: "examples/orders.ts",
      imports: "../clients/typescript/src/index.js",
    },
    {
      rule: "clients-stand-alone",
      file: "clients/typescript/src/retry.ts",
      imports: "../../../src/base/assert.js",
    },
    { rule: "outsiders-use-the-product", file: "bench/main.ts", imports: "../src/base/assert.js" },
    {
      rule: "workers-use-the-product",
      file: "test/crash/sender.worker.ts",
      imports: "../support/indirect.js",
    },
    {
      rule: "product-knows-no-tests",
      file: "src/base/random.ts",
      imports: "../../test/support/indirect.js",
    },
    {
      rule: "no-development-packages-in-the-product",
      file: "src/base/log.ts",
      imports: "fast-check",
    },
    { rule: "no-cycles", file: "src/base/brands.ts", imports: "./ids.js" },
    { rule: "no-unresolvable", file: "test/absent.ts", imports: "./nowhere.js" },
  ];

  // Files that keep every rule, for the plants to import, and one allowed import of each contested kind.
  const lawful: Readonly<Record<string, string>> = {
    "package.json": JSON.stringify({
      type: "module",
      dependencies: { lmdb: "1.0.0", "@grpc/grpc-js": "1.0.0", "@forebay/client": "1.0.0" },
      devDependencies: { "fast-check": "1.0.0" },
    }),
    "src/base/assert.ts": "export const value = 1;",
    "src/base/ids.ts": 'import "./brands.js";',
    "src/gen/stub.ts": 'import "@grpc/grpc-js";',
    "src/queue/send.ts":
      'import "../base/assert.js"; import "node:crypto"; export type Change = 1;',
    "src/store/keys.ts": 'import "lmdb"; import type { Change } from "../queue/send.js";',
    "src/engine/engine.ts": 'import "../store/keys.js"; import "../base/assert.js";',
    "src/rpc/wire.ts":
      'import "@grpc/grpc-js"; import "../engine/engine.js"; import "../queue/send.js";',
    "src/rpc/status-details.ts": 'import "@grpc/grpc-js";',
    "src/replication/transport/wire.ts":
      'import "@grpc/grpc-js"; import "../../rpc/status-details.js"; import "../../gen/stub.js";',
    "src/cli/work.ts": 'import "@forebay/client"; import "../gen/stub.js";',
    "clients/typescript/package.json": JSON.stringify({
      name: "@forebay/client",
      type: "module",
      exports: { ".": { types: "./dist/src/index.d.ts", default: "./dist/src/index.js" } },
      dependencies: { "@grpc/grpc-js": "1.0.0" },
    }),
    "clients/typescript/dist/src/index.d.ts": 'import "@grpc/grpc-js";',
    "clients/typescript/dist/src/index.js": 'import "@grpc/grpc-js";',
    "clients/typescript/src/index.ts": 'import "@grpc/grpc-js";',
    "examples/lawful.ts": 'import "@forebay/client";',
    "test/support/indirect.ts": 'import "../../src/engine/engine.js";',
    "test/crash/lawful.worker.ts": 'import "@forebay/client";',
  };

  const packages = ["lmdb", "@grpc/grpc-js", "fast-check"];

  test("every rule objects to its planted violation, and only to that", () => {
    for (const [file, contents] of Object.entries(lawful)) write(file, contents);
    for (const { file, imports } of plants) write(file, `import "${imports}";`);
    for (const name of packages) {
      write(`node_modules/${name}/package.json`, JSON.stringify({ name, main: "index.js" }));
      write(`node_modules/${name}/index.js`, "");
    }
    mkdirSync(join(fixture, "node_modules/@forebay"));
    symlinkSync("../../clients/typescript", join(fixture, "node_modules/@forebay/client"));

    const { violations } = cruise(fixture, ["src", "clients", "test", "bench", "examples"]);

    const rules = (createRequire(import.meta.url)(cruiserConfig) as CruiserConfig).forbidden;
    expect(plants.map(({ rule }) => rule).sort()).toEqual(rules.map(({ name }) => name).sort());
    const found = new Set(violations.map(({ rule, from }) => `${rule.name} in ${from}`));
    const missed = plants.filter(({ rule, file }) => !found.has(`${rule} in ${file}`));
    expect(missed).toEqual([]);
    const innocent = violations.filter(({ from }) => from in lawful);
    expect(innocent).toEqual([]);
  });

  test("the cruiser reads our sources, and not zero of them", () => {
    const { totalCruised, modules } = cruise(root, ["src", "test/tidy"]);
    expect(totalCruised).toBeGreaterThan(0);
    expect(modules).toContain("test/tidy/guards.test.ts");
    expect(modules).toContain("src/gen/descriptor.ts");
  });
});

describe("the source's own rules", () => {
  test.each([
    "const t = Date.now();",
    "const now = Date.now;",
    "const { now } = Date;",
    'const t = Date["now"]();',
    "const t = globalThis.Date.now();",
    "const d = new Date();",
    "const d = new Date(0);",
    "const t = performance.now();",
    "const t = process.hrtime.bigint();",
    "setTimeout(() => {}, 1);",
    "globalThis.setTimeout(() => {}, 1);",
    "start(setInterval);",
    'import { setTimeout as sleep } from "node:timers/promises";',
    'const timers = await import("node:timers");',
    "const r = Math.random();",
    'import { randomUUID } from "node:crypto";',
    "const id = crypto.randomUUID();",
    "const b = crypto.getRandomValues(bytes);",
    "const b = randomBytes(16);",
    "const home = process.env.HOME;",
    'const home = process["env"].HOME;',
    "const { env } = process;",
  ])("%s is found in the engine", (line) => {
    const found = bannedIn("src/engine/engine.ts", `\n${line}\n`);
    expect(found).toContainEqual(expect.objectContaining({ line: 2 }));
  });

  test.each([
    ["src/base/clock.ts", "const t = Date.now();"],
    ["src/base/random.ts", "const r = Math.random();"],
    ["src/base/ids.ts", 'import { randomUUID } from "node:crypto";'],
    ["src/config.ts", "const home = process.env.HOME;"],
    ["src/config/settings.ts", "const home = process.env.HOME;"],
    ["src/engine/engine.ts", "// Date.now() is not read here."],
    ["src/engine/engine.ts", 'const sentence = "no setTimeout( here";'],
    ["src/engine/engine.ts", "clock.setTimeout(wake, delay);"],
    ["src/engine/engine.ts", "interface Clock { setTimeout(wake: () => void): void }"],
  ])("in %s, %s is allowed", (path, line) => {
    expect(bannedIn(path, line)).toEqual([]);
  });

  test("a file without a header comment is found", () => {
    expect(headerOf("a.ts", 'import "./b.js";\n// Too late.\n')).toHaveLength(1);
    expect(headerOf("a.ts", "//\nexport {};\n")).toHaveLength(1);
    expect(headerOf("a.ts", "// The concept.\nexport {};\n")).toEqual([]);
    expect(headerOf("a.ts", "#!/usr/bin/env node\n/** The concept. */\n")).toEqual([]);
  });

  test("a note in the code is found", () => {
    expect(notesIn("a.ts", `// Fine.\n// ${"TO"}${"DO"}: later\n`)).toMatchObject([{ line: 2 }]);
    expect(notesIn("a.ts", "// A list of things to do.\n")).toEqual([]);
  });
});

describe("lint", () => {
  test.each([
    ["noFloatingPromises", "save();"],
    ["noFloatingPromises", "store.save();"],
    ["noFloatingPromises", "port.flush();"],
    ["noMisusedPromises", "[1].forEach(async () => { await save(); });"],
    ["noMisusedPromises", "if (save()) console.error(1);"],
    ["noExplicitAny", "export const x: any = 1;"],
    ["noDefaultExport", "export default 1;"],
    ["noNonNullAssertion", "export const y = port!;"],
  ])("%s objects to %s", (rule, line) => {
    // Copied, since a configuration from elsewhere turns off the rules that follow types across files.
    cpSync(join(root, ".biome.json"), join(fixture, ".biome.json"));
    write("package.json", JSON.stringify({ type: "module" }));
    write("port.ts", "export interface Port { flush(): Promise<void> }\n");
    write(
      "planted.ts",
      `import type { Port } from "./port.js";
declare const port: Port;
class Store { async save(): Promise<void> { await port.flush(); } }
const store = new Store();
async function save(): Promise<boolean> { await store.save(); return true; }
${line}
await save();
`,
    );
    const { status, stdout } = run("biome", [
      "lint",
      "--vcs-enabled=false",
      "--reporter=json",
      "planted.ts",
    ]);
    const { diagnostics } = JSON.parse(stdout) as BiomeReport;
    expect(diagnostics.map(({ category }) => category.split("/").at(-1))).toContain(rule);
    expect(status).not.toBe(0);
  });
});

describe("contract", () => {
  // The very commands of package.json, run where the contract has something wrong.
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
  const script = (name: string) => {
    const { status, stdout, stderr } = spawnSync("sh", ["-c", scripts[name] ?? "false"], {
      cwd: fixture,
      encoding: "utf8",
      env: { ...process.env, PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}` },
    });
    return { status, output: stdout + stderr };
  };

  const file = "proto/forebay/planted/v1/planted.proto";
  const sound = `syntax = "proto3";

package forebay.planted.v1;

import "google/rpc/status.proto";

// A message.
message Planted {
  // A field.
  string name = 1;
  // Another.
  google.rpc.Status status = 2;
}
`;

  beforeEach(() => {
    cpSync(join(root, "buf.yaml"), join(fixture, "buf.yaml"));
    cpSync(join(root, "proto/vendor"), join(fixture, "proto/vendor"), { recursive: true });
    write(file, sound);
    write("proto/forebay/planted/v1/other.proto", sound.replace("Planted", "Other"));
    expect(script("proto:baseline")).toMatchObject({ status: 0 });
  });

  test.each(["proto:lint", "proto:format", "proto:breaking"])("%s passes what is sound", (name) => {
    expect(script(name)).toEqual({ status: 0, output: "" });
  });

  test("a field without a comment is found", () => {
    write(file, sound.replace("  // A field.\n", ""));
    const { status, output } = script("proto:lint");
    expect(status).not.toBe(0);
    expect(output).toContain('Field "name" should have a non-empty comment');
  });

  test("a renamed field is found", () => {
    write(file, sound.replace("name = 1", "title = 1"));
    const { status, output } = script("proto:breaking");
    expect(status).not.toBe(0);
    expect(output).toContain('from "name" to "title"');
  });

  test("a deleted file is found", () => {
    rmSync(join(fixture, file));
    const { status, output } = script("proto:breaking");
    expect(status).not.toBe(0);
    expect(output).toContain("planted.proto");
  });

  test("a contract that does not compile is not called unbroken", () => {
    write(file, `${sound}oops`);
    expect(script("proto:breaking").status).not.toBe(0);
  });

  test("a badly formatted file is found", () => {
    write(file, sound.replace("  string", "     string"));
    expect(script("proto:format").status).not.toBe(0);
  });
});

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
}

interface CruiserConfig {
  readonly forbidden: readonly { readonly name: string }[];
}

interface CruiserReport {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly CruiserViolation[];
  };
}

interface CruiserViolation {
  readonly rule: { readonly name: string };
  readonly from: string;
  readonly to: string;
}

interface BiomeReport {
  readonly diagnostics: readonly { readonly category: string }[];
}

function cruise(folder: string, inputs: readonly string[]) {
  const args = ["--config", cruiserConfig, "--output-type", "json", ...inputs];
  const { stdout, stderr } = run("depcruise", args, folder);
  expect(stderr).toBe("");
  const { modules, summary } = JSON.parse(stdout) as CruiserReport;
  return {
    totalCruised: summary.totalCruised,
    violations: summary.violations,
    modules: modules.map(({ source }) => source),
  };
}

function run(command: string, args: readonly string[], folder = fixture) {
  return spawnSync(join(root, "node_modules/.bin", command), args, {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
}

function write(path: string, contents: string): void {
  mkdirSync(dirname(join(fixture, path)), { recursive: true });
  writeFileSync(join(fixture, path), contents);
}
