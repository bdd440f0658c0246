// Makes a clone runnable: installs what package-lock.json names and compiles what changed, and nothing else.
// `npm start`, `npm test` and their like come through here, so it must be cheap when there is nothing to do:
// a stamp in node_modules remembers the lockfile and the sources of the last success, and comparing it costs
// milliseconds. Plain JavaScript without dependencies, because it runs before there are any.
//
//   node scripts/setup.mjs                  install, then build the server and the client
//   node scripts/setup.mjs --tools          the same, and bench/, examples/ and test workers (to dist-tools/)
//   node scripts/setup.mjs --install-only   install

import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { filesBelow, fingerprint, root, run } from "./support/repository.mjs";

const stampPath = join(root, "node_modules/.forebay-setup");

// What each build reads and what proves that its output is still there. `compiled` pairs an output folder
// with the folder its files come from, so that the output of a deleted source is deleted as well.
const builds = {
  server: {
    project: "tsconfig.json",
    sources: () => [
      ...filesBelow("src"),
      ...filesBelow("clients/typescript/src"),
      ...filesBelow("clients/typescript/gen"),
      ...filesBelow("clients/express-session/src"),
      ...filesBelow("clients/keyv/src"),
      "tsconfig.json",
      "clients/typescript/tsconfig.json",
      "clients/express-session/tsconfig.json",
      "clients/keyv/tsconfig.json",
    ],
    outputs: [
      "dist/.tsbuildinfo",
      "clients/typescript/dist/.tsbuildinfo",
      "clients/express-session/dist/.tsbuildinfo",
      "clients/keyv/dist/.tsbuildinfo",
    ],
    compiled: [
      ["dist", "src"],
      ["clients/typescript/dist", "clients/typescript"],
      ["clients/express-session/dist", "clients/express-session/src"],
      ["clients/keyv/dist", "clients/keyv/src"],
    ],
  },
  tools: {
    project: "test/tsconfig.build.json",
    sources: () =>
      ["bench", "examples", "test", "clients/typescript/examples"].flatMap((folder) =>
        filesBelow(folder),
      ),
    outputs: ["dist-tools/.tsbuildinfo"],
    compiled: [["dist-tools", "."]],
  },
};

export function setup({ tools = false, installOnly = false } = {}) {
  requireNode();
  const stamp = readStamp();
  install(stamp);
  if (installOnly) return;
  build("server", stamp);
  if (tools) build("tools", stamp);
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Forebay needs Node 20.19 or newer; this is Node ${process.versions.node}.`);
}

function install(stamp) {
  const lockText = readFileSync(join(root, "package-lock.json"), "utf8");
  const lock = createHash("sha256").update(lockText).digest("hex");
  if (stamp.lock === lock) return;
  if (!isInstalled(JSON.parse(lockText))) {
    console.error("Installing dependencies (npm ci) ...");
    // npm tells children where it lives; without npm around us, the command on the path is used.
    const npm = process.env.npm_execpath;
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    const result = npm?.endsWith(".js")
      ? run(process.execPath, [npm, ...args], { output: "captured" })
      : run("npm", args, { output: "captured" });
    if (result.status !== 0) fail(`${result.stdout}${result.stderr}\nnpm ci failed.`);
  }
  stamp.lock = lock;
  stamp.built = {};
  writeStamp(stamp);
}

/** Whether someone else (a plain `npm ci`) already installed exactly this lockfile. */
function isInstalled(lockfile) {
  const hiddenPath = join(root, "node_modules/.package-lock.json");
  if (!existsSync(hiddenPath)) return false;
  const installed = JSON.parse(readFileSync(hiddenPath, "utf8")).packages;
  return Object.entries(lockfile.packages).every(
    ([path, { version, optional, link }]) =>
      !path.startsWith("node_modules/") ||
      // Optional packages are the other platforms' binaries; links are our own workspaces.
      (optional && !(path in installed)) ||
      (link ? existsSync(join(root, path)) : installed[path]?.version === version),
  );
}

function build(name, stamp) {
  const { project, sources, outputs, compiled } = builds[name];
  const current = fingerprint(sources());
  const isPresent = outputs.every((path) => existsSync(join(root, path)));
  // The tools are compiled against the server and the client, hence the server's fingerprint in theirs.
  const expected = name === "tools" ? `${current} ${stamp.built.server}` : current;
  if (isPresent && stamp.built[name] === expected) return;
  for (const [output, source] of compiled) deleteOrphans(output, source);
  const typescript = join(root, "node_modules/typescript/bin/tsc");
  const { status } = run(process.execPath, [typescript, "-b", project]);
  if (status !== 0) fail(`The build failed (tsc -b ${project}).`);
  stamp.built[name] = expected;
  writeStamp(stamp);
}

/** tsc leaves the output of a deleted source behind, where a stale import would still find it. */
function deleteOrphans(output, source) {
  for (const path of filesBelow(output)) {
    if (!path.endsWith(".js")) continue;
    const stem = path.slice(output.length + 1, -".js".length);
    if (existsSync(join(root, source, `${stem}.ts`))) continue;
    for (const ending of [".js", ".js.map", ".d.ts"]) {
      rmSync(join(root, output, stem + ending), { force: true });
    }
  }
}

function readStamp() {
  try {
    const { lock, built } = JSON.parse(readFileSync(stampPath, "utf8"));
    return { lock, built: built ?? {} };
  } catch {
    // No stamp, or one that was cut short: everything is looked at again.
    return { lock: undefined, built: {} };
  }
}

function writeStamp(stamp) {
  writeFileSync(stampPath, JSON.stringify(stamp));
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  setup({
    tools: process.argv.includes("--tools"),
    installOnly: process.argv.includes("--install-only"),
  });
}
