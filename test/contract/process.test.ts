// The program as a process: how it starts, refuses to, stops, and dies. Run as it is built, with real signals.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { builtModule, builtPath } from "../support/built.js";

const main = builtPath("main.js");
const anyPorts = ["--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0"];

let directory: string;
const started: Program[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "forebay-process-"));
});
afterEach(async () => {
  for (const program of started.splice(0)) {
    program.child.kill("SIGKILL");
    await program.exit;
  }
  rmSync(directory, { recursive: true, force: true });
});

class Program {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  output = "";
  complaints = "";

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, args, {
      cwd: directory,
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (chunk) => {
      this.output += String(chunk);
    });
    this.child.stderr?.on("data", (chunk) => {
      this.complaints += String(chunk);
    });
    this.exit = once(this.child, "close").then(([code]) => code as number | null);
    started.push(this);
  }

  /** The fields of the first line of JSON with this message, once it is there. */
  async logged(message: string): Promise<Readonly<Record<string, unknown>>> {
    const find = () =>
      this.output
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
        .find(({ msg }) => msg === message);
    await expect.poll(find, { timeout: 10_000 }).toBeDefined();
    return find() ?? {};
  }
}

const serve = (args: readonly string[] = anyPorts, env = {}) =>
  new Program([main, "serve", ...args], env);

describe("starting", () => {
  test("tells where it listens, answers there, and stops at SIGTERM with 0", async () => {
    const server = serve();
    const { managementListen, dataDir } = await server.logged("serving");
    expect(dataDir).toBe(join(directory, ".forebay"));
    const ready = await fetch(`http://${managementListen}/readyz`);
    expect(ready.status).toBe(200);
    server.child.kill("SIGTERM");
    expect(await server.exit).toBe(0);
    expect(server.output).toContain('"msg":"stopped"');
    expect(server.complaints).toBe("");
  });

  test("greets a person with where things are and what to type next", async () => {
    const server = serve([...anyPorts, "--log-format", "pretty"]);
    await expect.poll(() => server.output, { timeout: 10_000 }).toMatch(/npx forebay receive/);
    expect(server.output).toMatch(/ {2}grpc {8}127\.0\.0\.1:\d+\n/);
    expect(server.output).toMatch(/npx forebay queue create orders --endpoint 127\.0\.0\.1:\d+\n/);
    server.child.kill("SIGINT");
    expect(await server.exit).toBe(0);
  });

  test("is refused with every problem of the settings, and 2", async () => {
    const server = serve(["--lisen", "x"], { FOREBAY_LOG_LEVEL: "loud" });
    expect(await server.exit).toBe(2);
    expect(server.complaints.trim().split("\n")).toEqual([
      expect.stringMatching(/did you mean --listen\?$/),
      expect.stringMatching(/^environment FOREBAY_LOG_LEVEL: "loud" cannot be used/),
    ]);
    expect(server.output).toBe("");
  });

  test("is refused where another process has the directory, and 1", async () => {
    const first = serve();
    await first.logged("serving");
    const second = serve();
    expect(await second.exit).toBe(1);
    expect(second.complaints).toBe(
      `The data directory ${join(directory, ".forebay")} is in use by process ${first.child.pid}; stop it, or choose another with --data-dir.\n`,
    );
  });

  test("is refused where the port is taken, with its stack to nobody", async () => {
    const first = serve();
    const { listen } = await first.logged("serving");
    const args = ["--listen", String(listen), "--management-listen", "127.0.0.1:0"];
    const second = serve([...args, "--data-dir", "other"]);
    expect(await second.exit).toBe(1);
    expect(second.complaints).toBe(
      `${listen} is in use by another program (perhaps another Forebay); stop it or choose another port.\n`,
    );
  });

  test("lists its settings with --help", async () => {
    const server = serve(["--help"]);
    expect(await server.exit).toBe(0);
    expect(server.output).toContain("--map-size-bytes, FOREBAY_MAP_SIZE_BYTES");
  });
});

describe("stopping", () => {
  test("a second signal ends the process at once", async () => {
    const server = serve([...anyPorts, "--drain-grace-ms", "60000"]);
    const { managementListen } = await server.logged("serving");
    server.child.kill("SIGTERM");
    await server.logged("draining");
    // Meanwhile it serves, and says that it would rather not.
    expect((await fetch(`http://${managementListen}/readyz`)).status).toBe(503);
    server.child.kill("SIGINT");
    expect(await server.exit).toBe(130);
  });

  test("after SIGKILL the next start is as usual", async () => {
    const killed = serve();
    await killed.logged("serving");
    killed.child.kill("SIGKILL");
    await killed.exit;
    const next = serve();
    await next.logged("serving");
    next.child.kill("SIGTERM");
    expect(await next.exit).toBe(0);
  });
});

describe("forebay check", () => {
  test("reads a store that no server has open", async () => {
    const server = serve();
    await server.logged("serving");
    const refused = new Program([main, "check"]);
    expect(await refused.exit).toBe(1);
    expect(refused.complaints).toContain("is in use by process");
    server.child.kill("SIGTERM");
    await server.exit;
    const check = new Program([main, "check", "-o", "json"]);
    expect(await check.exit).toBe(0);
    expect(JSON.parse(check.output)).toMatchObject({ contradictionCount: 0, queueCount: 0 });
  });

  test("says so where there is none", async () => {
    const check = new Program([main, "check", "--data-dir", "nowhere"]);
    expect(await check.exit).toBe(1);
    expect(check.complaints).toBe(
      `There is no store in ${join(directory, "nowhere")}; name another with --data-dir.\n`,
    );
  });
});

describe("a failure that nobody caught", () => {
  /** Guards a process that does something wrong, and stays for a moment. */
  function guarded(wrong: string): Program {
    const path = join(directory, "guarded.mjs");
    writeFileSync(
      path,
      `
      import { createLog } from ${builtModule("base/log.js")};
      import { guardProcess } from ${builtModule("server/process-guard.js")};
      const guard = guardProcess(await createLog({ level: "info", format: "json" }));
      setTimeout(() => process.exit(0), 300);
      ${wrong}
      `,
    );
    return new Program([path]);
  }

  test.each([
    ["a rejection", 'void Promise.reject(new Error("lost"));', "unhandled rejection"],
    ["an exception", 'setImmediate(() => { throw new Error("lost"); });', "uncaught exception"],
    ["one that others noticed", 'guard.die(new Error("lost"));', "the server cannot go on"],
  ])("%s ends the process with 70 and its reason", async (_, wrong, message) => {
    const program = guarded(wrong);
    expect(await program.exit).toBe(70);
    expect(await program.logged(message)).toMatchObject({
      level: "fatal",
      err: { message: "lost" },
    });
  });

  test("an echo of a failed commit does not", async () => {
    const echo = 'new Error("Commit failed (see commitError for details)")';
    const program = guarded(`void Promise.reject(${echo});`);
    expect(await program.exit).toBe(0);
  });

  test("a reader that went away does not", async () => {
    const program = guarded(
      'setInterval(() => process.stdout.write("x".repeat(1000)), 1); process.stderr.write("on");',
    );
    await expect.poll(() => program.complaints, { timeout: 10_000 }).toBe("on");
    program.child.stdout?.destroy();
    expect(await program.exit).toBe(0);
  });
});
