// etcd that wants to know who asks: users with passwords, whose tokens end, and TLS with certificates on both sides.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { EtcdSettings } from "../../src/cluster/etcd-connection.js";
import { Permission_Type } from "../../src/gen/etcd/api/authpb/auth.js";
import { AuthService } from "../../src/gen/etcd/api/etcdserverpb/rpc.js";
import {
  callEtcd,
  clientOf,
  describeWithEtcd,
  epochOf,
  etcdForTest,
  freshKeys,
  initialisedCluster,
  patient,
  realClock,
  TestMember,
  wait,
} from "./etcd.js";

describeWithEtcd("etcd with users", () => {
  test("a user with rights on /forebay/ does everything, through ends of tokens and restarts", async () => {
    const etcd = patient(await etcdForTest());
    const root = await secured(etcd);
    const asUser = { ...etcd, user: { name: "forebay", password: "correct horse" } };
    const { keys } = await initialisedCluster(asUser);
    const leader = new TestMember(asUser, { keys, at: 1 });
    const watcher = new TestMember(asUser, { keys, at: 2, times: { lookMs: 600_000 } });
    expect(epochOf(await leader.campaign(0))).toBe(1);
    await watcher.viewWhere(({ epoch }) => epoch === 1);
    // Every token ends: those of a user whose password changes, and all of a member that restarts.
    await callEtcd(root, AuthService.userChangePassword, {
      name: "forebay",
      password: "correct horse",
      hashedPassword: "",
    });
    await etcd.members[0]?.restart();
    await wait(3_000);
    expect(leader.coordinator.leaseDeadlineMs()).toBeGreaterThan(realClock.monotonicMs());
    leader.coordinator.resign(undefined);
    await watcher.viewWhere(({ leader: holder }) => holder === undefined, 3_000);
  });

  test("a wrong password, and a user without rights, are refused in etcd's words", async () => {
    const etcd = patient(await etcdForTest());
    const root = await secured(etcd);
    await callEtcd(root, AuthService.userAdd, user("nobody"));
    const { prefix } = freshKeys();
    const wrong = clientOf({ ...etcd, user: { name: "forebay", password: "wrong" } });
    await expect(wrong.readAll(prefix)).rejects.toMatchObject({
      kind: "refused",
      message: expect.stringContaining("invalid user ID or password"),
    });
    const powerless = clientOf({ ...etcd, user: { name: "nobody", password: "correct horse" } });
    await expect(powerless.readAll(prefix)).rejects.toMatchObject({
      kind: "refused",
      message: expect.stringContaining("permission denied"),
    });
    await expect(clientOf(etcd).readAll(prefix)).rejects.toThrow("user name is empty");
  });

  test("a user is named before etcd has its authentication switched on", async () => {
    const etcd = patient(await etcdForTest());
    const client = clientOf({ ...etcd, user: { name: "forebay", password: "correct horse" } });
    const { prefix } = freshKeys();
    expect((await client.readAll(prefix)).keys.size).toBe(0);
    await secured(etcd);
    expect((await client.readAll(prefix)).keys.size).toBe(0);
  });
});

describeWithEtcd("etcd over TLS", () => {
  test("with our certificate and its authority everything works; without either nothing does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "forebay-etcd-tls-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const files = makeCertificates(folder);
    const etcd = patient(await etcdForTest({ tls: files }));
    const ca = readFileSync(files.caFile);
    const certificate = {
      chain: readFileSync(files.certificateFile),
      key: readFileSync(files.keyFile),
    };
    const secure = { ...etcd, tls: { ca, certificate } };
    const { keys } = await initialisedCluster(secure);
    const leader = new TestMember(secure, { keys, at: 1 });
    const watcher = new TestMember(secure, { keys, at: 2, times: { lookMs: 600_000 } });
    await watcher.viewWhere(({ epoch }) => epoch === 0);
    expect(epochOf(await leader.campaign(0))).toBe(1);
    await watcher.viewWhere(({ epoch }) => epoch === 1);

    for (const settings of [
      etcd,
      { ...etcd, tls: { ca } },
      { ...etcd, tls: { certificate } },
      { endpoints: etcd.endpoints.map((endpoint) => `http://${endpoint}`), tls: secure.tls },
    ]) {
      await expect(clientOf(settings).readAll(keys.prefix)).rejects.toMatchObject({
        kind: "unavailable",
      });
    }
    const withScheme = {
      endpoints: etcd.endpoints.map((endpoint) => `https://${endpoint}/`),
      tls: secure.tls,
    };
    expect((await clientOf(withScheme).readAll(keys.prefix)).keys.size).toBeGreaterThan(0);
  });
});

const user = (name: string) => ({
  name,
  password: "correct horse",
  hashedPassword: "",
  options: { noPassword: false },
});

/** Switches authentication on, with a user `forebay` that has rights on our keys alone. Returns how root asks. */
async function secured(etcd: EtcdSettings): Promise<EtcdSettings> {
  await callEtcd(etcd, AuthService.userAdd, user("root"));
  await callEtcd(etcd, AuthService.roleAdd, { name: "root" });
  await callEtcd(etcd, AuthService.userGrantRole, { user: "root", role: "root" });
  await callEtcd(etcd, AuthService.userAdd, user("forebay"));
  await callEtcd(etcd, AuthService.roleAdd, { name: "forebay" });
  await callEtcd(etcd, AuthService.roleGrantPermission, {
    name: "forebay",
    perm: {
      permType: Permission_Type.READWRITE,
      key: Buffer.from("/forebay/"),
      rangeEnd: Buffer.from("/forebay0"),
    },
  });
  await callEtcd(etcd, AuthService.userGrantRole, { user: "forebay", role: "forebay" });
  await callEtcd(etcd, AuthService.authEnable, {});
  return { ...etcd, user: { name: "root", password: "correct horse" } };
}

/** An authority, and one certificate that serves etcd and its clients. */
function makeCertificates(folder: string) {
  const inFolder = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    ...["req", "-x509", ...newKey, "-days", "2", "-subj", "/CN=test authority"],
    ...["-keyout", inFolder("ca.key"), "-out", inFolder("ca.crt")],
  );
  openssl(
    ...["req", ...newKey, "-subj", "/CN=test", "-keyout", inFolder("node.key")],
    ...["-out", inFolder("node.csr")],
  );
  writeFileSync(
    inFolder("extensions"),
    "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
  );
  openssl(
    ...["x509", "-req", "-in", inFolder("node.csr"), "-days", "2", "-CAcreateserial"],
    ...["-CA", inFolder("ca.crt"), "-CAkey", inFolder("ca.key")],
    ...["-extfile", inFolder("extensions"), "-out", inFolder("node.crt")],
  );
  return {
    caFile: inFolder("ca.crt"),
    certificateFile: inFolder("node.crt"),
    keyFile: inFolder("node.key"),
  };
}
