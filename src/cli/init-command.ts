// `forebay init`: makes the certificates that the nodes of a cluster know each other by, and says what to copy where and which
// settings to write. It calls no server and needs no other program.
//
//   forebay init --cluster eu --node a --node b --node c    a CA and three nodes
//   forebay init --ca forebay-certificates --node d         one more node, later
//   forebay init --ca forebay-certificates --node a --dir new     a new certificate for a node that has one
//
// Nothing is ever overwritten: a CA that is lost, or made twice, cuts a cluster in two.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { isClusterName } from "../base/cluster-names.js";
import { systemRandom } from "../base/ids.js";
import type { Issuance, KeyedCertificate } from "../security/certificates.js";
import { type CliContext, repeated, wholeNumber } from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure, usageFailure } from "./failure.js";

interface InitOptions {
  readonly cluster?: string;
  readonly node?: readonly string[];
  readonly ca?: string;
  readonly dir?: string;
  readonly days: number;
}

const directoryDefault = "forebay-certificates";
/** A year: long enough to be renewed by hand, short enough that somebody has to know how. */
const nodeDaysDefault = 365;
const nodeDaysMax = 3_650;
/** Ten years. */
const caDays = 3_650;

const readableByOwner = 0o600;
const enterableByOwner = 0o700;

export function addInitCommand(program: Command, context: CliContext): void {
  program
    .command("init")
    .description("make the certificates of a cluster: a CA, and one for each node")
    .option("--cluster <name>", "the cluster's name; makes a CA for it")
    .option("--ca <directory>", "where an earlier init left the CA, for further nodes")
    .option("--node <name>", "a node's name; may be repeated", repeated)
    .option("--dir <directory>", `where to write (${directoryDefault}, or the --ca directory)`)
    .option(
      "--days <days>",
      "how long nodes' certificates are valid",
      wholeNumber(1),
      nodeDaysDefault,
    )
    .action(async (options: InitOptions) => {
      const plan = planOf(options);
      const { createNodeCertificate, readCa } = await import("../security/certificates.js");
      const issuance = { now: context.clock.now(), validDays: options.days, random: systemRandom };
      const ca =
        plan.cluster === undefined
          ? readFiles(plan.caDirectory, "ca")
          : await newCa(plan.cluster, issuance);
      const { cluster } = readCa(ca);
      const nodes = plan.nodes.map((node) => ({
        name: node,
        made: createNodeCertificate(ca, node, issuance),
      }));
      const made = plan.cluster === undefined ? nodes : [{ name: "ca", made: ca }, ...nodes];
      write(plan.directory, made);
      await context.output.print(
        explanation({ ...plan, cluster, isNewCa: plan.cluster !== undefined }),
      );
    });
}

interface Plan {
  /** Set when a CA is to be made. */
  readonly cluster: string | undefined;
  /** Otherwise where it is. */
  readonly caDirectory: string;
  readonly directory: string;
  readonly nodes: readonly string[];
}

function planOf({ cluster, ca, node: nodes = [], dir, days: validDays }: InitOptions): Plan {
  if ((cluster === undefined) === (ca === undefined)) {
    throw usageFailure(
      "Name the new cluster with --cluster, or the directory of an earlier init with --ca.",
      "As in `forebay init --cluster eu --node a --node b --node c`.",
    );
  }
  if (nodes.length === 0) throw usageFailure("Name each node with --node.");
  for (const name of [...(cluster === undefined ? [] : [cluster]), ...nodes]) {
    if (isClusterName(name)) continue;
    throw usageFailure(
      `"${name}" is no name: it must be 1 to 63 of a-z, 0-9 and -, with no - at either end.`,
    );
  }
  if (nodes.includes("ca")) {
    throw usageFailure("A node cannot be called ca: its files would be those of the CA.");
  }
  if (new Set(nodes).size < nodes.length) throw usageFailure("A node is named twice.");
  if (validDays > nodeDaysMax) {
    throw usageFailure(`--days: at most ${nodeDaysMax}, as long as the CA is valid.`);
  }
  const caDirectory = ca ?? "";
  return { cluster, caDirectory, directory: dir ?? ca ?? directoryDefault, nodes };
}

async function newCa(cluster: string, issuance: Issuance): Promise<KeyedCertificate> {
  const { createClusterCa } = await import("../security/certificates.js");
  return createClusterCa(cluster, { ...issuance, validDays: caDays });
}

const certificateFile = (name: string): string => `${name}.crt`;
const keyFile = (name: string): string => `${name}.key`;

function readFiles(directory: string, name: string): KeyedCertificate {
  const read = (file: string): string => {
    const path = join(directory, file);
    if (existsSync(path)) return readFileSync(path, "utf8");
    throw new CliFailure(`There is no ${path}.`, {
      exitCode: exitCodes.notFound.code,
      next: "Name with --ca the directory that `forebay init --cluster` wrote.",
    });
  };
  return { certificate: read(certificateFile(name)), key: read(keyFile(name)) };
}

interface Made {
  readonly name: string;
  readonly made: KeyedCertificate;
}

/** All or, if one of the files is there already, none. */
function write(directory: string, all: readonly Made[]): void {
  const files = all.flatMap(({ name, made }) => [
    { path: join(directory, certificateFile(name)), content: made.certificate },
    { path: join(directory, keyFile(name)), content: made.key },
  ]);
  const present = files.filter(({ path }) => existsSync(path)).map(({ path }) => path);
  if (present.length > 0) {
    throw new CliFailure(`There already is ${present.join(" and ")}; nothing was written.`, {
      exitCode: exitCodes.conflict.code,
      next: "Write elsewhere with --dir, or name the CA that is there with --ca.",
    });
  }
  mkdirSync(directory, { recursive: true, mode: enterableByOwner });
  for (const { path, content } of files) {
    // Exclusively: what somebody else wrote meanwhile stays.
    writeFileSync(path, content, { mode: readableByOwner, flag: "wx" });
  }
}

function explanation({
  cluster,
  directory,
  nodes,
  isNewCa,
}: {
  readonly cluster: string;
  readonly directory: string;
  readonly nodes: readonly string[];
  readonly isNewCa: boolean;
}): string {
  const keep = isNewCa
    ? [
        `Keep ${join(directory, keyFile("ca"))} off the nodes and safe: whoever has it can make nodes of this cluster.`,
        "",
      ]
    : [];
  return [
    `Written to ${directory}, readable by you alone.`,
    "",
    ...keep,
    ...nodes.flatMap((node) => settingsOf(cluster, node)),
    "New certificates are used without a restart. To exchange the CA, put the old and the new one into one ca.crt on every",
    "node, then exchange the nodes' certificates, then leave the old CA out.",
    "",
  ].join("\n");
}

function settingsOf(cluster: string, node: string): string[] {
  const certificate = certificateFile(node);
  const key = keyFile(node);
  return [
    `Node ${node}: copy ${certificateFile("ca")}, ${certificate} and ${key} to it, and write into its forebay.yaml:`,
    "",
    `  cluster_name: ${cluster}`,
    `  node_name: ${node}`,
    "  zone: <where it stands, as zone-a>",
    "  cluster_etcd_endpoints: <etcd's members, as 10.0.1.5:2379,10.0.2.5:2379,10.0.3.5:2379>",
    "  replication_listen: 0.0.0.0:7402",
    "  replication_advertise: <its address>:7402",
    `  replication_ca_file: ${certificateFile("ca")}`,
    `  replication_cert_file: ${certificate}`,
    `  replication_key_file: ${key}`,
    "",
  ];
}
