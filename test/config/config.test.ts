// Configuration: where values come from, which wins, and that nothing misspelt or out of range gets by.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ConfigFault, loadConfig, settingsTable } from "../../src/config.js";

const cluster = [
  "--cluster-name=eu",
  "--node-name=a",
  "--zone=z1",
  "--cluster-etcd-endpoints=10.0.0.1:2379, https://etcd.example:2379",
];
const certificates = [
  "--replication-ca-file=ca.crt",
  "--replication-cert-file=a.crt",
  "--replication-key-file=a.key",
];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "forebay-config-"));
});

function load(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  return loadConfig({ args, env, workingDirectory: directory });
}

function problemsOf(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  try {
    load(args, env);
  } catch (error) {
    if (error instanceof ConfigFault) return error.problems;
    throw error;
  }
  return [];
}

function originOf(name: string, args: readonly string[], env: Readonly<Record<string, string>>) {
  return load(args, env).origins.find((origin) => origin.name === name);
}

test("without any source, the defaults of the table apply", () => {
  expect(load().config).toMatchObject({
    dataDir: join(directory, ".forebay"),
    listen: { host: "127.0.0.1", port: 7400 },
    managementListen: { host: "127.0.0.1", port: 7401 },
    mapSizeBytes: 64 * 2 ** 30,
    sqsTiming: "relaxed",
    noopService: false,
    reflection: true,
  });
  expect(Object.isFrozen(load().config)).toBe(true);
});

describe("a later source overrides an earlier one", () => {
  beforeEach(() => {
    writeFileSync(join(directory, "forebay.yaml"), "log_level: warn\ndrain_timeout_ms: 1\n");
  });

  test("the file overrides the default", () => {
    expect(load().config).toMatchObject({ logLevel: "warn", drainTimeoutMs: 1 });
  });

  test("the environment overrides the file", () => {
    const { logLevel, drainTimeoutMs } = load([], { FOREBAY_LOG_LEVEL: "error" }).config;
    expect({ logLevel, drainTimeoutMs }).toEqual({ logLevel: "error", drainTimeoutMs: 1 });
  });

  test("a flag overrides the environment", () => {
    const { config } = load(["--log-level", "debug"], { FOREBAY_LOG_LEVEL: "error" });
    expect(config.logLevel).toBe("debug");
  });

  test("each value knows where it came from", () => {
    const env = { FOREBAY_SQS_TIMING: "strict" };
    const args = ["--listen=127.0.0.1:0"];
    expect(originOf("log_level", args, env)?.origin).toMatch(
      /^file .*forebay\.yaml \(log_level\)$/,
    );
    expect(originOf("sqs_timing", args, env)?.origin).toBe("environment FOREBAY_SQS_TIMING");
    expect(originOf("listen", args, env)).toEqual({
      name: "listen",
      value: "127.0.0.1:0",
      origin: "flag --listen",
    });
    expect(originOf("noop_service", args, env)?.origin).toBe("default");
  });
});

test("a JSON file is read as well, and one named by a flag wins over one named by the environment", () => {
  writeFileSync(join(directory, "a.json"), '{"noop_service": true}');
  writeFileSync(join(directory, "b.json"), '{"noop_service": false}');
  expect(load([], { FOREBAY_CONFIG: "a.json" }).config.noopService).toBe(true);
  expect(load(["--config", "b.json"], { FOREBAY_CONFIG: "a.json" }).config.noopService).toBe(false);
});

test("a switch may stand alone or carry its value", () => {
  expect(load(["--noop-service", "--log-level", "warn"]).config.noopService).toBe(true);
  expect(load(["--reflection", "false"]).config.reflection).toBe(false);
  expect(load(["--reflection=false"]).config.reflection).toBe(false);
});

describe("an unknown name is refused with the nearest known one", () => {
  test("in a file", () => {
    writeFileSync(join(directory, "forebay.yaml"), "lisen: 127.0.0.1:1\n");
    expect(problemsOf([])).toEqual([expect.stringMatching(/\(lisen\).*did you mean listen\?$/)]);
  });

  test("in the environment", () => {
    expect(problemsOf([], { FOREBAY_DATADIR: "x" })).toEqual([
      "environment FOREBAY_DATADIR: there is no such setting; did you mean FOREBAY_DATA_DIR?",
    ]);
  });

  test("among the flags, where its value is not mistaken for another flag", () => {
    expect(problemsOf(["--data-dri", "x"])).toEqual([
      "flag --data-dri: there is no such setting; did you mean --data-dir?",
    ]);
  });

  test("without a suggestion when none is near", () => {
    expect(problemsOf(["--colour"])).toEqual([
      "flag --colour: there is no such setting; the README lists them all",
    ]);
  });

  test("but the variables of clients are not ours to refuse", () => {
    const env = { FOREBAY_ENDPOINT: "127.0.0.1:7400", FOREBAY_TOKEN: "t", PATH: "/bin" };
    expect(problemsOf([], env)).toEqual([]);
  });
});

describe("a value out of range is refused with what to write instead", () => {
  test.each([
    ["59", false],
    ["60", true],
    ["86400", true],
    ["86401", false],
    ["60.5", false],
    ["", false],
    ["1e3", false],
  ])("request_id_window_seconds %s", (text, isAllowed) => {
    const problems = problemsOf([], { FOREBAY_REQUEST_ID_WINDOW_SECONDS: text });
    const insteadWrite =
      'it must be a whole number from 60 to 86400, as in "FOREBAY_REQUEST_ID_WINDOW_SECONDS=300".';
    expect(problems).toEqual(isAllowed ? [] : [expect.stringContaining(insteadWrite)]);
  });

  test.each(["7400", "127.0.0.1", "127.0.0.1:65536", "[127.0.0.1]:1", "::1:1"])(
    "%s is no address",
    (text) => {
      expect(problemsOf(["--listen", text])).toEqual([
        `flag --listen: "${text}" cannot be used; it must be an address of this machine with a port from 0 (any free one) to 65535, as in "--listen=127.0.0.1:7400".`,
      ]);
    },
  );

  test.each(["0.0.0.0:7400", "[::]:7400", "10.0.0.1:7400", "example.org:7400"])(
    "%s is beyond this machine",
    (text) => {
      expect(problemsOf(["--listen", text])).toEqual([
        expect.stringMatching(/not available until Forebay has TLS and authentication/),
      ]);
    },
  );

  test.each(["127.0.0.1:0", "127.8.8.8:1", "[::1]:65535", "localhost:7400"])(
    "%s is this machine",
    (text) => {
      expect(problemsOf(["--listen", text])).toEqual([]);
    },
  );

  test("a file's value must have the right type", () => {
    writeFileSync(
      join(directory, "forebay.yaml"),
      'drain_timeout_ms: "5"\nreflection: yes please\n',
    );
    expect(problemsOf([])).toEqual([
      expect.stringMatching(/\(drain_timeout_ms\): "5" cannot be used; it must be a whole number/),
      expect.stringMatching(
        /\(reflection\): "yes please" cannot be used; it must be true or false/,
      ),
    ]);
  });
});

test("all problems are told at once", () => {
  const env = { FOREBAY_LOG_LEVEL: "loud", FOREBAY_NOPE: "1" };
  expect(problemsOf(["--listen"], env)).toHaveLength(3);
});

describe("a file that cannot be used is refused", () => {
  test("one that is named and missing", () => {
    expect(problemsOf(["--config", "none.yaml"])).toEqual([
      "file none.yaml: there is no such file; name another with --config.",
    ]);
  });

  test("one that does not parse, or holds a list", () => {
    writeFileSync(join(directory, "a.json"), "{");
    writeFileSync(join(directory, "b.yaml"), "- a\n");
    expect(problemsOf(["--config", "a.json"])).toEqual([
      expect.stringMatching(/a\.json: it cannot be read: .+\.$/),
    ]);
    expect(problemsOf(["--config", "b.yaml"])).toEqual([
      expect.stringMatching(/it must hold settings as "name: value" lines\.$/),
    ]);
  });

  test("two of the default names side by side", () => {
    writeFileSync(join(directory, "forebay.yaml"), "");
    writeFileSync(join(directory, "forebay.json"), "{}");
    expect(problemsOf([])).toEqual([expect.stringMatching(/both are here; keep one/)]);
  });
});

test("a path begins where the program was started, also one that is optional", () => {
  const { config } = load([
    ...cluster,
    "--replication-ca-file=ca.crt",
    "--replication-cert-file=/etc/a.crt",
    "--replication-key-file=./keys/a.key",
  ]);
  expect(config).toMatchObject({
    replicationCaFile: join(directory, "ca.crt"),
    replicationCertFile: "/etc/a.crt",
    replicationKeyFile: join(directory, "keys/a.key"),
    clusterEtcdCaFile: "",
  });
});

describe("the settings of a cluster", () => {
  test("are all at rest on a node alone", () => {
    expect(load().config).toMatchObject({
      clusterName: "",
      nodeName: "",
      zone: "",
      replicationListen: { host: "127.0.0.1", port: 7402 },
      replicationAdvertise: undefined,
      clusterEtcdEndpoints: [],
      leaseTtlSeconds: 5,
      logKeepMinutes: 15,
      logKeepBytes: 2 ** 30,
      logBytesMax: 0,
    });
  });

  test("a cluster has a name, and its node a name, a zone and an etcd", () => {
    expect(load(cluster).config).toMatchObject({
      clusterName: "eu",
      nodeName: "a",
      zone: "z1",
      clusterEtcdEndpoints: ["10.0.0.1:2379", "https://etcd.example:2379"],
    });
  });

  test("what a node of a cluster needs is asked for by name", () => {
    expect(problemsOf(["--cluster-name=eu"])).toEqual([
      expect.stringMatching(/^node_name: /),
      expect.stringMatching(/^zone: /),
      expect.stringMatching(/^cluster_etcd_endpoints: /),
    ]);
  });

  test.each([
    "--node-name=a",
    "--zone=z1",
    "--cluster-etcd-endpoints=127.0.0.1:2379",
    "--replication-advertise=127.0.0.1:7402",
    "--replication-ca-file=ca.crt",
  ])("%s without a cluster is told to have no effect", (flag) => {
    const [name = ""] = flag.slice(2).replaceAll("-", "_").split("=");
    expect(problemsOf([flag])).toEqual([
      `${name}: it has no effect on a node alone; set cluster_name, or remove it.`,
    ]);
  });

  test.each(["A", "a_b", "-a", "a-", "a".repeat(64), "a/b"])("%j names no node", (name) => {
    expect(problemsOf([...cluster, `--node-name=${name}`])).toEqual([
      expect.stringMatching(/it must be 1 to 63 of a-z, 0-9 and -.*as in "--node-name=a"\.$/),
    ]);
  });

  test("certificates come all or none", () => {
    expect(problemsOf([...cluster, "--replication-cert-file=a.crt"])).toEqual([
      "replication_ca_file: it goes with replication_cert_file; forebay init makes all three.",
      "replication_key_file: it goes with replication_cert_file; forebay init makes all three.",
    ]);
  });

  test.each(["0.0.0.0:7402", "10.0.0.7:7402", "[::]:7402", "node-a.example:7402"])(
    "%s is listened on with certificates only",
    (listen) => {
      const flags = [
        ...cluster,
        `--replication-listen=${listen}`,
        "--replication-advertise=10.0.0.7:7402",
        "--data-advertise=10.0.0.7:7400",
      ];
      const problems = problemsOf(flags);
      expect(problems).toEqual([
        expect.stringMatching(/^replication_listen: .*beyond this machine/),
        expect.stringMatching(/^replication_advertise: .*beyond this machine/),
        expect.stringMatching(/^data_advertise: .*beyond this machine.*forebay init/),
      ]);
      expect(problemsOf([...flags, ...certificates])).toEqual([]);
    },
  );

  test("an address that only listens is not told to others", () => {
    const flags = [...cluster, ...certificates, "--replication-listen=0.0.0.0:7402"];
    expect(problemsOf(flags)).toEqual([
      expect.stringMatching(/^replication_advertise: 0\.0\.0\.0:7402/),
    ]);
    expect(problemsOf([...flags, "--replication-advertise=10.0.0.7:7402"])).toEqual([]);
  });

  test("etcd's certificate has a key and its user a password", () => {
    expect(
      problemsOf([...cluster, "--cluster-etcd-cert-file=e.crt", "--cluster-etcd-user=f"]),
    ).toEqual([
      expect.stringMatching(/^cluster_etcd_key_file: it goes with cluster_etcd_cert_file/),
      expect.stringMatching(/^cluster_etcd_password_file: it goes with cluster_etcd_user/),
    ]);
  });

  test.each(["2379", "http://", "ftp://a:1", "a:1,b"])("%s is no list of endpoints", (written) => {
    expect(problemsOf([...cluster, `--cluster-etcd-endpoints=${written}`])).toEqual([
      expect.stringMatching(/it must be at most 16 of host:port/),
    ]);
  });

  test("a file may hold the endpoints as a list", () => {
    writeFileSync(
      join(directory, "forebay.yaml"),
      "cluster_name: eu\nnode_name: a\nzone: z1\ncluster_etcd_endpoints:\n  - a:1\n  - b:2\n",
    );
    expect(load().config.clusterEtcdEndpoints).toEqual(["a:1", "b:2"]);
  });

  test("the log's bound is not below what is kept of it", () => {
    const flags = [...cluster, "--log-keep-bytes=1000"];
    expect(problemsOf([...flags, "--log-bytes-max=999"])).toEqual([
      expect.stringMatching(/^log_bytes_max: it must be at least log_keep_bytes, which is 1000/),
    ]);
    expect(problemsOf([...flags, "--log-bytes-max=1000"])).toEqual([]);
    expect(problemsOf([...flags, "--log-bytes-max=0"])).toEqual([]);
  });

  test.each([
    ["1", false],
    ["2", true],
    ["60", true],
    ["61", false],
  ])("lease_ttl_seconds %s", (text, isAllowed) => {
    expect(problemsOf([...cluster, `--lease-ttl-seconds=${text}`])).toHaveLength(isAllowed ? 0 : 1);
  });
});

test("the README's table has a row for every setting", () => {
  const rows = settingsTable().split("\n").slice(2);
  expect(rows).toHaveLength(load().origins.length);
  expect(rows[0]).toBe(
    "| `data_dir` | `./.forebay` | a path | Where everything is stored. One server per directory; it is created when missing. |",
  );
});
