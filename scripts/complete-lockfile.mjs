// Adds to package-lock.json the platform binaries that npm left out: packages named by someone's
// optionalDependencies without an entry of their own. npm forgets them when the lockfile is written where they
// are not installed or the registry at hand does not carry them, and then `npm ci` refuses the lockfile
// wherever they are missed. An entry without integrity is fetched by its exact version.
//
//   node scripts/complete-lockfile.mjs           adds what is missing (run after changing dependencies)
//   node scripts/complete-lockfile.mjs --check   only says what is missing

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./support/repository.mjs";

const lockfilePath = join(root, "package-lock.json");

const systems = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const processors = [
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "x64",
];

const libraries = [
  ["gnu", "glibc"],
  ["musl", "musl"],
];

/** Entries to add, by their path in the lockfile. */
export function missingEntries(packages) {
  const missing = {};
  for (const [path, { optionalDependencies, dev }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies ?? {})) {
      const places = [`${path}/node_modules/${name}`, `node_modules/${name}`];
      if (places.some((place) => packages[place]?.version !== undefined)) continue;
      missing[`node_modules/${name}`] = entry(name, version, dev);
    }
  }
  return missing;
}

/** The platform is read off the words of a name such as `@bufbuild/buf-linux-armv7`. Fields in npm's order. */
function entry(name, version, dev) {
  const words = name
    .slice(name.lastIndexOf("/") + 1)
    .replace("armv7", "arm")
    .split("-");
  const cpu = processors.filter((processor) => words.includes(processor));
  const os = systems.filter((system) => words.includes(system));
  const libc = libraries.filter(([prefix]) => words.some((word) => word.startsWith(prefix)));
  return {
    version: version.replace(/^[\^~]/, ""),
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(dev ? { dev } : {}),
    ...(os.includes("linux") && libc.length > 0
      ? { libc: libc.map(([, library]) => library) }
      : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  };
}

function main() {
  const lockfile = JSON.parse(readFileSync(lockfilePath, "utf8"));
  const missing = missingEntries(lockfile.packages);
  const paths = Object.keys(missing);
  if (paths.length === 0) return;
  if (process.argv.includes("--check")) {
    console.error(`package-lock.json has no entry for ${paths.join(", ")}.`);
    process.exit(1);
  }
  const packages = Object.entries({ ...lockfile.packages, ...missing });
  lockfile.packages = Object.fromEntries(packages.sort(([a], [b]) => a.localeCompare(b, "en")));
  writeFileSync(lockfilePath, `${JSON.stringify(lockfile, undefined, 2)}\n`);
  console.log(`Added ${paths.length} entries to package-lock.json.`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
