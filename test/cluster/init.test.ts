// `forebay cluster init`, and a node's way to it: registered in a real etcd, begun once, refused where it must be.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ClusterRegistry } from "../../src/cluster/registry.js";
import { type CliInput, type CliResult, forebay } from "../cli/harness.js";
import {
  clientOf,
  describeWithEtcd,
  freshKeys,
  idOf,
  nodeOf,
  runEtcd,
  storeOf,
  testGroup,
} from "./etcd.js";

describeWithEtcd("a cluster begins", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  /** A cluster nobody has begun, and the command line as its operator has it. */
  function unbegun() {
    const keys = freshKeys();
    const cluster = keys.prefix.split("/")[2] ?? "";
    const registry = new ClusterRegistry(clientOf(etcd), keys);
    const env = {
      FOREBAY_CLUSTER_NAME: cluster,
      FOREBAY_CLUSTER_ETCD_ENDPOINTS: etcd.endpoints.join(),
    };
    const run = (line: string, input: CliInput = {}): Promise<CliResult> =>
      forebay(["cluster", ...line.split(" ")], { env, ...input });
    return { keys, cluster, registry, run };
  }

  test("from the nodes that registered, once", async () => {
    const { registry, run } = unbegun();
    for (const at of [1, 2, 3]) await registry.register(storeOf(at), nodeOf(at));
    const second = { ...nodeOf(4), zone: "zone-1" };
    await registry.register(storeOf(4), second);
    const { exitCode, stdout } = await run("init --yes --acks all");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^node-1 +zone-1 +yes/m);
    expect(stdout).toMatch(/^node-4 +zone-1 +no/m);
    const facts = await registry.facts();
    expect(facts.groupId).toMatch(/^[0-9a-f]{32}$/);
    expect(facts.epoch).toBe(0);
    expect(facts.configuration).toMatchObject({
      version: 1,
      acks: "all",
      members: [
        { id: idOf(1), isVoter: true },
        { id: idOf(2), isVoter: true },
        { id: idOf(3), isVoter: true },
        { id: idOf(4), isVoter: false },
      ],
    });
    expect(await run("init --yes")).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining("has begun already"),
    });
    expect(await registry.facts()).toEqual(facts);
  });

  test("with data that one of them brings, and says which of the others to give a vote later", async () => {
    const { registry, run } = unbegun();
    for (const at of [1, 2, 3]) {
      await registry.register({ ...storeOf(at), hasOwnData: at === 2 }, nodeOf(at));
    }
    const { exitCode, stdout, stderr } = await run("init --yes");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^node-2 +zone-2 +yes/m);
    expect(stdout.match(/ no /g)).toHaveLength(2);
    expect(stderr).toContain("node-2 brings data, and votes alone");
    expect(stderr).toContain("`forebay cluster status` shows that they have caught up");
    expect(stderr).toContain("forebay cluster promote node-1; forebay cluster promote node-3");
  });

  test("of two who begin it at once one does", async () => {
    const { registry, run } = unbegun();
    await registry.register(storeOf(1), nodeOf(1));
    const results = await Promise.all([run("init --yes"), run("init --yes"), run("init --yes")]);
    expect(results.map(({ exitCode }) => exitCode).sort()).toEqual([0, 4, 4]);
  });

  test("not without nodes, not unasked, and not with more voters than zones", async () => {
    const { registry, run } = unbegun();
    expect(await run("init --yes")).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining("No node has registered yet"),
    });
    await registry.register(storeOf(1), nodeOf(1));
    expect(await run("init")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("nobody is here to confirm it"),
    });
    expect(await run("init --yes --voters 3")).toMatchObject({ exitCode: 4 });
    expect((await registry.facts()).groupId).toBeUndefined();
    expect(await run("init", { isTty: true, stdin: "y\n" })).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining("With one voter nobody takes over"),
    });
  });

  test("with a node's configuration file, or options alone", async () => {
    const { cluster, registry, run } = unbegun();
    await registry.register(storeOf(1), nodeOf(1));
    const folder = mkdtempSync(join(tmpdir(), "forebay-init-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "node.yaml");
    writeFileSync(
      file,
      `cluster_name: ${cluster}\nnode_name: node-1\nzone: zone-1\ncluster_etcd_endpoints: ${etcd.endpoints.join()}\n`,
    );
    expect(await run(`init --yes --config ${file}`, { env: {} })).toMatchObject({ exitCode: 0 });
    const options = `--cluster-name ${cluster} --cluster-etcd-endpoints ${etcd.endpoints.join()}`;
    expect(await run(`init --yes ${options}`, { env: {} })).toMatchObject({ exitCode: 4 });
  });

  test("and whoever does not say which is told", async () => {
    const { run } = unbegun();
    expect(await run("init --yes", { env: {} })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--cluster-name"),
    });
    expect(await run("init --yes --cluster-name Shop")).toMatchObject({ exitCode: 2 });
    expect(await run("init --yes --cluster-etcd-endpoints 127.0.0.1:1")).toMatchObject({
      exitCode: 6,
      stderr: expect.stringContaining("cluster_etcd_endpoints"),
    });
  });

  test("a node that starts again is known, and one with another store is not taken for it", async () => {
    const { registry, run } = unbegun();
    for (const at of [1, 2, 3]) await registry.register(storeOf(at), nodeOf(at));
    expect(await registry.register(storeOf(1), nodeOf(1))).toEqual({ kind: "go_on" });
    await run("init --yes");
    const { groupId: group } = await registry.facts();
    expect(await registry.register(storeOf(1, group), nodeOf(1))).toEqual({ kind: "go_on" });
    expect(await registry.register(storeOf(9), nodeOf(1))).toMatchObject({ kind: "refuse" });
    expect(await registry.register(storeOf(1, testGroup), nodeOf(1))).toMatchObject({
      kind: "refuse",
    });
    const moved = { ...nodeOf(1), dataEndpoint: "elsewhere:7400" };
    expect(await registry.register(storeOf(1, group), moved)).toMatchObject({ kind: "register" });
    expect((await registry.facts()).members.get(idOf(1))?.dataEndpoint).toBe("elsewhere:7400");
  });

  test("a member that is removed while it registers is refused", async () => {
    const { keys } = unbegun();
    const client = clientOf(etcd);
    const transact = client.transact.bind(client);
    client.transact = async (...transaction) => {
      client.transact = transact;
      const tombstone = JSON.stringify({ node: "node-1", configurationVersion: 2 });
      await transact([], [{ kind: "put", key: keys.removed(idOf(1)), value: tombstone }]);
      return transact(...transaction);
    };
    const decision = await new ClusterRegistry(client, keys).register(storeOf(1), nodeOf(1));
    expect(decision).toMatchObject({ kind: "refuse", why: expect.stringContaining("removed") });
  });

  test("of two stores that register as one node at once, one is the node's", async () => {
    const { registry, run } = unbegun();
    const decisions = await Promise.all(
      [1, 2, 3, 4].map((at) => registry.register(storeOf(at), nodeOf(7))),
    );
    expect(decisions.map(({ kind }) => kind)).toEqual(Array(4).fill("register"));
    const { nodes, members } = await registry.facts();
    expect([...members.keys()]).toEqual([nodes.get("node-7")]);
    const { stdout } = await run("init --yes -o jsonl");
    expect(JSON.parse(stdout)).toMatchObject({ id: nodes.get("node-7"), isVoter: true });
  });

  test("its epoch can be raised after a restore of etcd", async () => {
    const { registry, run } = unbegun();
    await registry.register(storeOf(1), nodeOf(1));
    await run("init --yes");
    expect(await run("raise-epoch 12")).toMatchObject({ exitCode: 0 });
    expect((await registry.facts()).epoch).toBe(12);
    expect(await run("raise-epoch 12")).toMatchObject({ exitCode: 4 });
    expect(await run("raise-epoch many")).toMatchObject({ exitCode: 2 });
  });
});
