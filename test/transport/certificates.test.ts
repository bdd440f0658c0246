// Who gets in: nodes with a certificate of the cluster, each as the node it names, with the certificates that lie in the files now.

import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import type { PeerNetworkOptions } from "../../src/replication/transport/peer-network.js";
import { daysAgo, filesOf, type NodeFiles, newCa, newNode } from "./certificates.js";
import {
  acquaint,
  append,
  configurationOf,
  hello,
  idOf,
  isConnected,
  memberOf,
  pause,
  rememberingLog,
  startMember,
  type TestMember,
  until,
} from "./harness.js";
import { dialByHand } from "./plain-caller.js";

const started: TestMember[] = [];

async function start(
  node: string,
  tls: NodeFiles | undefined,
  changes: Partial<PeerNetworkOptions> = {},
): Promise<TestMember> {
  const member = await startMember(node, { tls: tls?.options, ...changes });
  started.push(member);
  return member;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map(({ network }) => network.close()));
});

/** What `a` is told when it dials `b`, though not why the other side closed. */
async function whyNot(a: TestMember, b: TestMember): Promise<string> {
  a.network.setConfiguration(configurationOf([memberOf(a), memberOf(b)]));
  const said = () => a.network.status()[0]?.why ?? "";
  await until(() => !["", "not dialled yet"].includes(said()), 10_000, said);
  await pause(300);
  expect(a.network.isReady(b.id)).toBe(false);
  expect(b.heard).toEqual([]);
  return said();
}

test("members with certificates of one CA talk, encrypted, long messages too", async () => {
  const ca = newCa();
  const a = await start("a", filesOf("a", ca));
  const b = await start("b", filesOf("b", ca));
  await acquaint(a, b);
  a.network.send(b.id, append(1, 5 * 1_048_576));
  await until(() => b.heard.length === 1);
  const { certificate, key } = newNode(ca, "c");
  const [host = "", port] = b.endpoint.split(":");
  const protocol = await new Promise((resolve, reject) => {
    const socket = connectTls(
      {
        host,
        port: Number(port),
        ca: ca.certificate,
        cert: certificate,
        key,
        checkServerIdentity: () => undefined,
      },
      () => {
        resolve(socket.getProtocol());
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
  expect(protocol).toBe("TLSv1.3");
});

describe("is refused and told so", () => {
  test("who shows no certificate", async () => {
    const ca = newCa();
    const b = await start("b", filesOf("b", ca));
    const answer = await dialByHand(b.endpoint, { ca: ca.certificate });
    expect(answer).toMatchObject({ status: "UNAUTHENTICATED", reason: "CERTIFICATE_REQUIRED" });
    expect(answer.message).toContain("none was shown");
  });

  test("who shows one of another CA, even one of the same cluster's name", async () => {
    const b = await start("b", filesOf("b", newCa()));
    const answer = await dialByHand(b.endpoint, { insecure: true, ...newNode(newCa(), "a") });
    expect(answer).toMatchObject({ status: "UNAUTHENTICATED", reason: "CERTIFICATE_REQUIRED" });
    expect(answer.message).toMatch(/not valid \((?:UNABLE_TO_|SELF_SIGNED)/);
  });

  test("whose certificate has ended, and whose has not begun", async () => {
    const ca = newCa();
    const b = await start("b", filesOf("b", ca));
    const ended = newNode(ca, "a", { now: daysAgo(9), validDays: 8 });
    const unborn = newNode(ca, "a", { now: daysAgo(-2) });
    const first = await dialByHand(b.endpoint, { ca: ca.certificate, ...ended });
    expect(first.message).toContain("CERT_HAS_EXPIRED");
    const second = await dialByHand(b.endpoint, { ca: ca.certificate, ...unborn });
    expect(second.message).toContain("CERT_NOT_YET_VALID");
    expect([first.reason, second.reason]).toEqual(["CERTIFICATE_REQUIRED", "CERTIFICATE_REQUIRED"]);
  });

  test("whose certificate names no node: the CA itself", async () => {
    const ca = newCa();
    const b = await start("b", filesOf("b", ca));
    const answer = await dialByHand(b.endpoint, { ca: ca.certificate, ...ca });
    expect(answer).toMatchObject({ status: "UNAUTHENTICATED", reason: "CERTIFICATE_REQUIRED" });
  });

  test("who is a node of another cluster, though its CA is accepted", async () => {
    const [eu, us] = [newCa("eu"), newCa("us")];
    const files = filesOf("b", eu);
    files.put({ ca: `${eu.certificate}${us.certificate}` });
    const b = await start("b", files);
    const answer = await dialByHand(b.endpoint, { ca: eu.certificate, ...newNode(us, "a") });
    expect(answer).toMatchObject({ status: "UNAUTHENTICATED", reason: "CERTIFICATE_REQUIRED" });
    expect(answer.message).toContain("is of cluster us");
  });

  test("who introduces itself as the member of another node", async () => {
    const ca = newCa();
    const b = await start("b", filesOf("b", ca));
    const absent = memberOf({ id: idOf("c"), node: "c", endpoint: "127.0.0.1:1" });
    b.network.setConfiguration(configurationOf([memberOf(b), absent]));
    const asC = { introduceAs: idOf("c"), ca: ca.certificate };
    const answer = await dialByHand(b.endpoint, { ...asC, ...newNode(ca, "a") });
    expect(answer).toMatchObject({ status: "UNAUTHENTICATED", reason: "CERTIFICATE_REQUIRED" });
    expect(answer.message).toContain("runs on node c, and the certificate is of node a");
    const right = await dialByHand(b.endpoint, { ...asC, ...newNode(ca, "c") });
    expect(right.status).toBe("introduced");
  });
});

test("a connection that never begins its handshake is closed", async () => {
  const b = await start("b", filesOf("b", newCa()));
  const [host = "", port] = b.endpoint.split(":");
  const socket = connectTcp({ host, port: Number(port) });
  const from = performance.now();
  await new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.once("close", resolve);
    socket.resume();
  });
  expect(performance.now() - from).toBeLessThan(3_000);
});

describe("is not talked to", () => {
  test("a member with a certificate of another CA", async () => {
    const a = await start("a", filesOf("a", newCa()));
    const b = await start("b", filesOf("b", newCa()));
    expect(await whyNot(a, b)).toMatch(/certificate/);
  });

  test("a member whose certificate has ended", async () => {
    const ca = newCa();
    const a = await start("a", filesOf("a", ca));
    const b = await start(
      "b",
      filesOf("b", ca, newNode(ca, "b", { now: daysAgo(9), validDays: 8 })),
    );
    expect(await whyNot(a, b)).toMatch(/expired/);
  });

  test("a node in the place of another", async () => {
    const ca = newCa();
    const a = await start("a", filesOf("a", ca));
    const c = await start("c", filesOf("c", ca), { memberId: idOf("b") });
    const why = await whyNot(a, { ...c, node: "b" });
    expect(why).toContain("names node c of cluster eu where node b of cluster eu was expected");
  });

  test("a member in the clear, nor does one in the clear talk to TLS", async () => {
    const a = await start("a", filesOf("a", newCa()));
    const b = await start("b", undefined);
    expect(await whyNot(a, b)).not.toBe("");
    expect(await whyNot(b, a)).not.toBe("");
  });
});

describe("in the clear", () => {
  test("nobody listens beyond this machine", async () => {
    const b = await start("b", undefined);
    await expect(b.network.listen({ host: "0.0.0.0", port: 0 })).rejects.toThrow(
      /only with certificates: set replication_ca_file/,
    );
  });

  test("nobody is dialled beyond this machine", async () => {
    const a = await start("a", undefined);
    const far = { id: idOf("b"), node: "b", endpoint: "192.0.2.1:7402" };
    a.network.setConfiguration(configurationOf([memberOf(a), memberOf(far)]));
    await until(
      () => a.network.status()[0]?.why?.includes("only members on this machine") === true,
    );
  });
});

describe("rotation", () => {
  test("a new certificate is used by new connections, and those that stand go on", async () => {
    const ca = newCa();
    const files = filesOf("b", ca);
    const b = await start("b", files);
    const before = newNode(ca, "b");
    const fingerprint = () => dialByHand(b.endpoint, { ca: ca.certificate, ...newNode(ca, "c") });
    const first = await fingerprint();
    const a = await start("a", filesOf("a", ca));
    await acquaint(a, b);
    files.put({ node: before });
    const second = await fingerprint();
    expect(second.serverSerial).not.toBe(first.serverSerial);
    a.network.send(b.id, hello(1));
    await until(() => b.heard.length === 1);
    expect(a.network.status()).toMatchObject([{ downCount: 0 }]);
  });

  test("a node that is let in nowhere finds its new files when it dials again", async () => {
    const [before, after] = [newCa(), newCa()];
    const files = filesOf("a", before);
    const a = await start("a", files);
    const b = await start("b", filesOf("b", after));
    await whyNot(a, b);
    files.put({ ca: after.certificate, node: newNode(after, "a") });
    await until(() => a.network.isReady(b.id));
  });

  test("a CA is exchanged without a break: both are accepted while the file holds both", async () => {
    const [before, after] = [newCa(), newCa()];
    const both = `${before.certificate}\n${after.certificate}`;
    const [ofA, ofB] = [filesOf("a", before), filesOf("b", before)];
    const a = await start("a", ofA);
    const b = await start("b", ofB);
    await acquaint(a, b);
    // In the order the operator is told: both CAs everywhere, then new certificates, then the new CA alone.
    const steps: readonly (() => void)[] = [
      () => ofA.put({ ca: both }),
      () => ofB.put({ ca: both }),
      () => ofA.put({ node: newNode(after, "a") }),
      () => ofB.put({ node: newNode(after, "b") }),
      () => ofA.put({ ca: after.certificate }),
      () => ofB.put({ ca: after.certificate }),
    ];
    for (const [index, step] of steps.entries()) {
      step();
      // Another place, so that it is dialled anew, with what lies in the files.
      const again = await start(`b${index}`, ofB, { memberId: b.id });
      const there = { ...memberOf(b), replicationEndpoint: again.endpoint };
      a.network.setConfiguration(configurationOf([memberOf(a), there], index + 2));
      again.network.setConfiguration(configurationOf([memberOf(a), there], index + 2));
      await until(
        () => isConnected(a.network) && isConnected(again.network),
        10_000,
        () => [index, a.network.status(), again.network.status()],
      );
      again.network.setConfiguration(configurationOf([], index + 2));
    }
    const late = await dialByHand(b.endpoint, { insecure: true, ...newNode(before, "a") });
    expect(late.reason).toBe("CERTIFICATE_REQUIRED");
  });

  test("files that cannot be used leave the old ones in place, and are told of once", async () => {
    const ca = newCa();
    const files = filesOf("b", ca);
    const { log, lines } = rememberingLog();
    const b = await start("b", files, { log });
    const other = newNode(ca, "b");
    files.put({ node: { certificate: other.certificate, key: newNode(ca, "b").key } });
    for (let count = 0; count < 2; count += 1) {
      const answer = await dialByHand(b.endpoint, { ca: ca.certificate, ...newNode(ca, "a") });
      expect(answer.status).toBe("introduced");
    }
    const told = lines.filter(({ line }) => String(line).includes("cannot be used"));
    expect(told).toHaveLength(1);
    expect(told[0]?.["why"]).toMatch(/^The key in .* is not that of the certificate/);
  });
});

describe("a node does not start", () => {
  const broken = (change: (files: NodeFiles, ca: ReturnType<typeof newCa>) => void) => async () => {
    const ca = newCa();
    const files = filesOf("a", ca);
    change(files, ca);
    await start("a", files);
  };

  test("with a certificate of another node, or none", async () => {
    const asB = broken((files, ca) => files.put({ node: newNode(ca, "b") }));
    await expect(asB()).rejects.toThrow(/names node b of cluster eu; this is node a of cluster eu/);
    const asCa = broken((files, ca) => files.put({ node: ca }));
    await expect(asCa()).rejects.toThrow(/names no node/);
  });

  test("with a certificate of another cluster", async () => {
    const foreign = broken((files) => files.put({ node: newNode(newCa("us"), "a") }));
    await expect(foreign()).rejects.toThrow(/names node a of cluster us/);
  });

  test("with files that hold something else", async () => {
    await expect(broken((files) => files.put({ ca: "nothing" }))()).rejects.toThrow(
      /ca\.crt holds no certificate in PEM/,
    );
    const noKey = broken((files, ca) => {
      const { certificate } = newNode(ca, "a");
      files.put({ node: { certificate, key: "no key" } });
    });
    await expect(noKey()).rejects.toThrow(/node\.key cannot be used/);
  });
});
