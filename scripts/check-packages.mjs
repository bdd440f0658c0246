// Packs the server, its client and its adapters as they would be published, installs all in an empty folder and uses them
// there: what works only inside this repository (a file left out, a missing dependency) shows here.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setup } from "./setup.mjs";
import { root, run } from "./support/repository.mjs";

setup();
const folder = mkdtempSync(join(tmpdir(), "forebay-packages-"));
try {
  must("npm", [
    "pack",
    "--silent",
    "--ignore-scripts",
    "--workspaces",
    "--include-workspace-root",
    "--pack-destination",
    folder,
  ]);
  const tarballs = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  if (tarballs.length !== 4) throw new Error(`Four packages are expected, not ${tarballs.length}.`);

  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  must(
    "npm",
    [
      "install",
      "--silent",
      "--ignore-scripts",
      "--omit=dev",
      ...tarballs.map((name) => join(folder, name)),
    ],
    folder,
  );

  const program = `
    const client = await import("@forebay/client");
    const queue = await import("@forebay/client/gen/forebay/queue/v1/queue_service");
    if (Object.keys(client).length === 0) throw new Error("@forebay/client exports nothing");
    const { ForebayStore } = await import("@forebay/express-session");
    const { KeyvForebay } = await import("@forebay/keyv");
    const connected = new client.ForebayClient();
    new ForebayStore({ client: connected });
    new KeyvForebay({ client: connected });
    await connected.close();
    if (Object.keys(queue).length === 0) throw new Error("the generated code exports nothing");
  `;
  must("node", ["--input-type=module", "-e", program], folder);
  must(join(folder, "node_modules/.bin/forebay"), ["--help"], folder);
  console.log("All packages install and run by themselves.");
} finally {
  rmSync(folder, { recursive: true });
}

function must(command, args, where = root) {
  const { status, stdout, stderr } = run(command, args, { output: "captured", folder: where });
  if (status === 0) return;
  process.stderr.write(stdout + stderr);
  throw new Error(`${command} ${args[0]} failed.`);
}
