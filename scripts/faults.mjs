// `npm run test:faults`: whole clusters, of real processes over real etcd, while nodes die, stand still, lose their network or their
// disk (test/faults). All of it happens in namespaces of its own, for network, mounts and processes: what a run makes is seen by
// nobody else, and ends with it, however it ends.
//
//   npm run test:faults                        everything, some twenty-five minutes
//   npm run test:faults -- --bounded           what CI runs, about three minutes
//   npm run test:faults -- -t "disk"           what vitest selects
//   npm run test:faults -- --report=<file>     leave a JSON report
//   npm run test:faults -- --measure           no test: how long failovers and handovers take, some ten minutes
//
// It needs Linux, the right to make namespaces (root, or user namespaces), and ip, tc and strace. Where it cannot run it says
// so; with CI=true that is a failure.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setup } from "./setup.mjs";
import { etcdAbsence, findEtcd } from "./support/etcd.mjs";
import { root } from "./support/repository.mjs";

const boundedPart = "test/faults/leader-faults.test.ts";
const reportOption = "--report=";

/** In the new namespaces: a place for names of network namespaces that nobody else sees, and loopback. */
const enter = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"';
const unshare = [
  ...["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
  ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]),
  ...["sh", "-c", enter, "sh"],
];

/** A sentence when the runs are not possible here. */
function obstacle() {
  for (const [command, ...args] of [
    ["ip", "-V"],
    ["tc", "-V"],
    ["strace", "-V"],
  ]) {
    if (spawnSync(command, args, { stdio: "ignore" }).status !== 0) {
      return `${command} is not here (Debian: iproute2, strace).`;
    }
  }
  const [command, ...args] = [...unshare, "ip", "netns", "add", "trial"];
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return undefined;
  return `Namespaces cannot be made here: ${(stderr ?? "").trim() || "unshare failed"}`;
}

function runFaults(args) {
  const why = obstacle();
  if (why !== undefined) {
    console.error(`The faults of clusters were not tried: ${why}`);
    return process.env.CI === "true" ? 1 : 0;
  }
  setup({ tools: true });
  const etcd = findEtcd((text) => console.error(text));
  if (etcd === undefined) {
    console.error(etcdAbsence);
    return 1;
  }
  const isMeasuring = args.includes("--measure");
  const [command, ...rest] = [
    ...unshare,
    process.execPath,
    ...(isMeasuring ? measuring() : testing(args)),
  ];
  const env = { ...process.env, ETCD: etcd };
  return spawnSync(command, rest, { cwd: root, stdio: "inherit", env }).status ?? 1;
}

function testing(args) {
  const report = args.find((argument) => argument.startsWith(reportOption));
  const selection = args
    .filter((argument) => argument !== report)
    .map((argument) => (argument === "--bounded" ? boundedPart : argument));
  const reporters =
    report === undefined
      ? []
      : ["--reporter=json", `--outputFile.json=${report.slice(reportOption.length)}`];
  return [
    join(root, "node_modules/vitest/vitest.mjs"),
    ...["run", "--config", "test/faults/vitest.config.ts", "--reporter=default", ...reporters],
    ...selection,
  ];
}

function measuring() {
  const loader = pathToFileURL(join(root, "test/support/typescript.mjs")).href;
  const program = pathToFileURL(join(root, "test/faults/measure-failover.ts")).href;
  const script = `import { main } from ${JSON.stringify(program)}; await main();`;
  return ["--import", loader, "--input-type=module", "--eval", script];
}

process.exitCode = runFaults(process.argv.slice(2));
