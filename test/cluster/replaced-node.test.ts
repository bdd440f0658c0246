// Disks that are gone, as their operator meets it. One: its node is refused with the commands to run, and these make it a member
// again, with everything that was stored. Two of three: the one that is left goes on alone when it is told to, and not before. And
// one that held queues before there was a cluster: it brings them along.
// Real processes, a real etcd, the command line.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { type CliResult, forebay } from "../cli/harness.js";
import { builtPath } from "../support/built.js";
import { describeWithEtcd, etcdForTest, wait } from "./etcd.js";

describeWithEtcd("a node with another store", () => {
  test("is refused while its former member votes, and comes back as a new one by the commands it names", async () => {
    const { endpoints } = await etcdForTest();
    const folder = mkdtempSync(join(tmpdir(), "forebay-replaced-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const nodes = await Promise.all(["a", "b", "c"].map((name) => nodeOf(name, folder, endpoints)));
    const [a, , c] = nodes;
    if (a === undefined || c === undefined) throw new Error("There are three nodes.");
    for (const node of nodes) node.start();
    await run(
      `cluster init --yes --voters 3 --cluster-name shop --cluster-etcd-endpoints ${endpoints.join()}`,
    );
    await run(`queue create orders --endpoint ${a.data}`);
    await run(`send orders kept --endpoint ${a.data}`);

    // The node that leads must not be the one whose disk goes, or the rest would wait for its lease to end.
    await run(`cluster handover a --management ${a.management}`, { orExitCode: 4 });
    await c.end();
    rmSync(c.dataDir, { recursive: true });
    c.start();
    expect(await c.exit()).not.toBe(0);
    const commands = [...c.output.matchAll(/`forebay (cluster [a-z]+ c)`/g)].map(
      ([, line]) => line,
    );
    expect(commands).toEqual(["cluster remove c", "cluster add c", "cluster promote c"]);

    const [remove, add, promote] = commands;
    await run(`${remove} --management ${a.management}`);
    c.start();
    await run(`${add} --management ${a.management}`);
    // Refused until it has caught up.
    await run(`${promote} --management ${a.management}`);
    const { stdout } = await run(`cluster status -o json --management ${a.management}`);
    const { members } = JSON.parse(stdout) as { readonly members: readonly object[] };
    expect(members).toMatchObject([
      { node: "a", isVoter: true },
      { node: "b", isVoter: true },
      { node: "c", isVoter: true, progress: { isConnected: true, isTakingCopy: false } },
    ]);
    // What was stored before is there through it, also when it leads.
    await run(`cluster handover c --management ${a.management}`);
    const received = await run(`receive orders -o raw --ack --endpoint ${c.data}`);
    expect(received.stdout).toBe("kept\n");
  }, 240_000);
});

describeWithEtcd("a member whose fellow voters are gone for good", () => {
  test("goes on alone when an operator says so, with what a majority had, and others join it anew", async () => {
    const { endpoints } = await etcdForTest();
    const folder = mkdtempSync(join(tmpdir(), "forebay-recovered-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const nodes = await Promise.all(["a", "b", "c"].map((name) => nodeOf(name, folder, endpoints)));
    const [a, b, c] = nodes;
    if (a === undefined || b === undefined || c === undefined) throw new Error("There are three.");
    const etcd = `--cluster-name shop --cluster-etcd-endpoints ${endpoints.join()}`;
    for (const node of nodes) node.start();
    await run(`cluster init --yes --voters 3 ${etcd}`);
    await run(`queue create orders --endpoint ${a.data}`);
    await run(`cluster acks all --management ${a.management}`);
    await run(`send orders kept --endpoint ${a.data}`);

    const recover = `cluster recover a --accept-data-loss ${etcd}`;
    expect(await forebay(recover.split(" "))).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining("leads, so a majority of the voters is there"),
    });
    await Promise.all([b.end(), c.end()]);
    for (const { dataDir } of [b, c]) rmSync(dataDir, { recursive: true });
    expect(await forebay(`cluster recover a ${etcd}`.split(" "))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--accept-data-loss"),
    });
    await run(`cluster recover x --accept-data-loss ${etcd}`, { orExitCode: 4 });

    await run(recover);
    await run(`send orders after --endpoint ${a.data}`);
    const received = await run(`receive orders --max 10 -o raw --ack --endpoint ${a.data}`);
    expect(received.stdout).toBe("kept\nafter\n");

    b.start();
    await run(`cluster add b --management ${a.management}`);
    await run(`cluster promote b --management ${a.management}`);
    const { stdout } = await run(`cluster status -o json --management ${a.management}`);
    const { members } = JSON.parse(stdout) as { readonly members: readonly object[] };
    expect(members).toMatchObject([
      { node: "a", isVoter: true },
      { node: "b", isVoter: true },
    ]);
  }, 240_000);
});

describeWithEtcd("a node that ran alone before", () => {
  test("brings its queues into the cluster, votes alone at first, and the others take them over", async () => {
    const { endpoints } = await etcdForTest();
    const folder = mkdtempSync(join(tmpdir(), "forebay-grown-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const nodes = await Promise.all(["a", "b", "c"].map((name) => nodeOf(name, folder, endpoints)));
    const [a, b, c] = nodes;
    if (a === undefined || b === undefined || c === undefined) throw new Error("There are three.");
    b.start({ isAlone: true });
    await run(`queue create orders --endpoint ${b.data}`);
    await run(`send orders before --endpoint ${b.data}`);
    const handle = (await run(`receive orders -o json --endpoint ${b.data}`)).stdout;
    await b.end();

    for (const node of nodes) node.start();
    const begun = await run(
      `cluster init --yes --voters 3 --cluster-name shop --cluster-etcd-endpoints ${endpoints.join()}`,
    );
    expect(begun.stderr).toContain("b brings data, and votes alone");
    await run(`send orders after --endpoint ${a.data}`);
    // Refused until they have caught up.
    for (const name of ["a", "c"])
      await run(`cluster promote ${name} --management ${a.management}`);
    // The copies are whole: another leads, and the one that had the data is gone.
    await run(`cluster handover c --management ${a.management}`);
    await b.end();
    // A handle from the time before still deletes.
    const [{ receiptHandle }] = JSON.parse(handle) as [{ readonly receiptHandle: string }];
    await run(`delete orders ${receiptHandle} --endpoint ${a.data}`);
    const received = await run(`receive orders --max 10 -o raw --ack --endpoint ${a.data}`);
    expect(received.stdout).toBe("after\n");
  }, 240_000);
});

interface TestNode {
  readonly data: string;
  readonly management: string;
  readonly dataDir: string;
  readonly output: string;
  /** Alone: without a cluster, over the same data. */
  start(how?: { readonly isAlone: boolean }): void;
  /** Ends it without a warning. */
  end(): Promise<void>;
  /** The exit code with which it ends by itself. */
  exit(): Promise<number | null>;
}

async function nodeOf(
  name: string,
  folder: string,
  etcdEndpoints: readonly string[],
): Promise<TestNode> {
  const [data, management, replication] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ].map((port) => `127.0.0.1:${port}`);
  const dataDir = join(folder, name);
  const alone = [
    ...["serve", "--data-dir", dataDir, "--listen", data ?? ""],
    ...["--management-listen", management ?? "", "--log-level", "info", "--log-format", "json"],
  ];
  const together = [
    ...["--cluster-name", "shop", "--node-name", name, "--zone", `zone-${name}`],
    ...["--replication-listen", replication ?? ""],
    ...["--cluster-etcd-endpoints", etcdEndpoints.join()],
  ];
  let child: ChildProcess | undefined;
  let output = "";
  const end = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  onTestFinished(end);
  onTestFailed(() => {
    console.error(`What node ${name} said last:\n${output.slice(-8_000)}`);
  });
  return {
    data: data ?? "",
    management: management ?? "",
    dataDir,
    get output() {
      return output;
    },
    start: ({ isAlone } = { isAlone: false }) => {
      output = "";
      const args = isAlone ? alone : [...alone, ...together];
      child = spawn(process.execPath, [builtPath("main.js"), ...args]);
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding("utf8").on("data", (text: string) => {
          output += text;
        });
      }
    },
    end,
    exit: async () => {
      if (child === undefined) throw new Error("It never began.");
      if (child.exitCode === null) await once(child, "close");
      return child.exitCode;
    },
  };
}

/** A command, repeated while nobody leads, a node has not registered or a member has not caught up. */
async function run(
  line: string,
  { orExitCode = 0 }: { readonly orExitCode?: number } = {},
): Promise<CliResult> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await forebay(line.split(" "));
    if (result.exitCode === 0 || result.exitCode === orExitCode) return result;
    if (attempt === 80) throw new Error(`forebay ${line}: ${result.stderr}`);
    await wait(500);
  }
}
