// `forebay cluster init`: begins a cluster from the nodes that registered, once. It speaks to etcd, as no node leads yet; which etcd
// is said as to a node, by a configuration file, the environment or options. `raise-epoch` is here for the same reason.

import type { Command } from "commander";
import { epoch, groupId } from "../base/brands.js";
import { systemRandom } from "../base/ids.js";
import type { FirstConfiguration } from "../cluster/first-configuration.js";
import type { ClusterRegistry } from "../cluster/registry.js";
import type { Config } from "../config.js";
import { confirm } from "./confirm.js";
import { type CliContext, oneOf, wholeNumber } from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure } from "./failure.js";
import { type OutputFormat, outputFormats, type Row } from "./output.js";

interface EtcdOptions {
  readonly config?: string;
  readonly clusterName?: string;
  readonly clusterEtcdEndpoints?: string;
  readonly clusterEtcdCaFile?: string;
  readonly clusterEtcdCertFile?: string;
  readonly clusterEtcdKeyFile?: string;
  readonly clusterEtcdUser?: string;
  readonly clusterEtcdPasswordFile?: string;
}

/** As the settings of a node are called, whose meaning they have. */
const etcdFlags: readonly (readonly [keyof EtcdOptions, string, string, string])[] = [
  ["config", "--config", "<file>", "a node's configuration file"],
  ["clusterName", "--cluster-name", "<name>", "the cluster"],
  ["clusterEtcdEndpoints", "--cluster-etcd-endpoints", "<list>", "host:port of etcd's members"],
  ["clusterEtcdCaFile", "--cluster-etcd-ca-file", "<file>", "the CAs of etcd's certificates"],
  ["clusterEtcdCertFile", "--cluster-etcd-cert-file", "<file>", "a certificate to show to etcd"],
  ["clusterEtcdKeyFile", "--cluster-etcd-key-file", "<file>", "its key"],
  ["clusterEtcdUser", "--cluster-etcd-user", "<name>", "who to be at etcd"],
  ["clusterEtcdPasswordFile", "--cluster-etcd-password-file", "<file>", "that user's password"],
];

function withEtcdOptions(command: Command): Command {
  for (const [, flag, value, description] of etcdFlags) {
    command.option(`${flag} ${value}`, `${description} (else as the node's settings have it)`);
  }
  return command;
}

interface InitOptions extends EtcdOptions {
  readonly voters?: number;
  readonly acks: "async" | "quorum" | "all";
  readonly yes?: boolean;
  readonly output: OutputFormat;
}

export function addInitCommand(cluster: Command, context: CliContext): void {
  const init = cluster
    .command("init")
    .description(
      "begin a cluster from the nodes that registered: 1, 3 or 5 voters, one per zone; the others follow",
    );
  withEtcdOptions(init)
    .option("--voters <count>", "1, 3 or 5 (default: as many as there are zones)", wholeNumber(1))
    .option(
      "--acks <mode>",
      "quorum, all or async: who must have a record on disk before a call is answered",
      oneOf(["async", "quorum", "all"] as const),
      "quorum",
    )
    .option("--yes", "do not ask")
    .option(
      "-o, --output <format>",
      `how to print: ${outputFormats.join(", ")}`,
      oneOf(outputFormats),
      "table",
    )
    .action(async (options: InitOptions) => {
      await withRegistry(context, options, (registry, config) =>
        initialise(context, options, { registry, config }),
      );
    });
}

async function initialise(
  context: CliContext,
  options: InitOptions,
  { registry, config }: { readonly registry: ClusterRegistry; readonly config: Config },
): Promise<void> {
  const [{ decideFirstConfiguration }, { registeredMembers }] = await Promise.all([
    import("../cluster/first-configuration.js"),
    import("../cluster/cluster-facts.js"),
  ]);
  const facts = await registry.facts();
  if (facts.groupId !== undefined) throw begunAlready(config.clusterName);
  const decision = decideFirstConfiguration(registeredMembers(facts), {
    acks: options.acks,
    voterCount: options.voters,
  });
  if (decision.kind === "refused") {
    throw new CliFailure(decision.why, { exitCode: exitCodes.conflict.code });
  }
  const { promoteLater } = decision;
  const { members } = decision.configuration;
  const voters = members.filter(({ isVoter }) => isVoter).map(({ node }) => node);
  await confirm(context, {
    isConfirmed: options.yes ?? false,
    deed: `begins cluster "${config.clusterName}" with ${members.length} of its nodes, of which ${voters.join(", ")} vote`,
  });
  const bytes = Buffer.alloc(16);
  systemRandom.fill(bytes);
  const group = groupId(bytes.toString("hex"));
  if (!(await registry.initialise(group, decision.configuration))) {
    if ((await registry.facts()).groupId !== undefined) throw begunAlready(config.clusterName);
    throw new CliFailure("A node registered anew meanwhile, and nothing was changed.", {
      exitCode: exitCodes.conflict.code,
      next: "Try again.",
    });
  }
  await context.output.many(options.output, initHeadings, members.map(initRow));
  if (promoteLater.length > 0) {
    context.output.note(
      `${voters.join()} brings data, and votes alone: the others copy from it. Once \`forebay cluster status\` shows that they have caught up, give them their votes, for a majority that survives it: ` +
        promoteLater.map((node) => `forebay cluster promote ${node}`).join("; "),
    );
  } else if (voters.length === 1) {
    context.output.note(
      "With one voter nobody takes over when it fails. For that, have nodes in three zones.",
    );
  }
  context.output.note("The cluster begins now. See it: forebay cluster status");
}

type FirstMember = Extract<
  FirstConfiguration,
  { readonly kind: "made" }
>["configuration"]["members"][number];

const initHeadings = ["node", "zone", "votes", "replication at", "applications at"];

const initRow = (member: FirstMember): Row => ({
  cells: {
    node: member.node,
    zone: member.zone,
    votes: member.isVoter ? "yes" : "no",
    "replication at": member.replicationEndpoint,
    "applications at": member.dataEndpoint,
  },
  json: member,
  raw: member.node,
});

const begunAlready = (name: string): CliFailure =>
  new CliFailure(`Cluster "${name}" has begun already, and nothing was changed.`, {
    exitCode: exitCodes.conflict.code,
    next: "See it with `forebay cluster status`; nodes join with `forebay cluster add`.",
  });

export function addRaiseEpochCommand(cluster: Command, context: CliContext): void {
  const raise = cluster
    .command("raise-epoch <epoch>")
    .description(
      "after etcd was restored from a backup: raise its epoch above the one that nodes complain of having promised",
    );
  withEtcdOptions(raise).action(async (text: string, options: EtcdOptions) => {
    const to = epoch(wholeNumber(1)(text));
    await withRegistry(context, options, async (registry) => {
      const isRaised = await registry.raiseEpoch(to);
      if (!isRaised) {
        throw new CliFailure(`The epoch in etcd is ${to} or higher already.`, {
          exitCode: exitCodes.conflict.code,
        });
      }
      context.output.note(`The epoch in etcd is ${to} now; the next leader begins the one after.`);
    });
  });
}

interface RecoverOptions extends EtcdOptions {
  readonly acceptDataLoss?: boolean;
}

export function addRecoverCommand(cluster: Command, context: CliContext): void {
  const recover = cluster
    .command("recover <node>")
    .description(
      "after most voters were lost for good: let one member go on alone, with what it has; all others may join anew",
    );
  withEtcdOptions(recover)
    .option("--accept-data-loss", "know that what only the others had is gone")
    .action(async (node: string, options: RecoverOptions) => {
      if (options.acceptDataLoss !== true) {
        throw new CliFailure(
          `What was acknowledged and is not on node "${node}" would be lost, and nothing was changed.`,
          {
            exitCode: exitCodes.usage.code,
            next: "Choose the member that has the most (`forebay cluster status`, durable), then repeat this with --accept-data-loss.",
          },
        );
      }
      await withRegistry(context, options, async (registry) => {
        const recovery = await registry.recover(node);
        if (recovery.kind === "refused") {
          throw new CliFailure(recovery.why, { exitCode: exitCodes.conflict.code });
        }
        context.output.note(
          `Node "${node}" is the only member now and leads as soon as it runs. Start others with empty data directories, then \`forebay cluster add\` and \`promote\` them.`,
        );
      });
    });
}

/** Runs `use` with what etcd knows of the cluster that the settings name. */
async function withRegistry(
  context: CliContext,
  options: EtcdOptions,
  use: (registry: ClusterRegistry, config: Config) => Promise<void>,
): Promise<void> {
  const config = await settingsOf(context, options);
  const [{ EtcdClient }, { readEtcdSettings }, { ClusterKeys }, { ClusterRegistry }] =
    await Promise.all([
      import("../cluster/etcd-client.js"),
      import("../cluster/etcd-settings.js"),
      import("../cluster/keys.js"),
      import("../cluster/registry.js"),
    ]);
  const { EtcdFault } = await import("../cluster/etcd-fault.js");
  const client = new EtcdClient(readEtcdSettings(config), () => 0);
  try {
    await use(new ClusterRegistry(client, new ClusterKeys(config.clusterName)), config);
  } catch (error) {
    if (!(error instanceof EtcdFault)) throw error;
    throw new CliFailure(error.message, {
      exitCode: exitCodes.unavailable.code,
      next: "Check cluster_etcd_endpoints and what goes with them, and that etcd has a majority of its members.",
    });
  } finally {
    client.close();
  }
}

async function settingsOf({ env }: CliContext, options: EtcdOptions): Promise<Config> {
  const { ConfigFault, loadConfig } = await import("../config.js");
  const given = etcdFlags.flatMap(([name, flag]) => {
    const value = options[name];
    return value === undefined ? [] : [flag, value];
  });
  // Those of a node that does not matter here, but without which the settings would not be a node's.
  const args = [...given, "--node-name", "none", "--zone", "none"];
  try {
    const { config } = loadConfig({ args, env, workingDirectory: process.cwd() });
    if (config.clusterName !== "") return config;
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    const problems = error.problems.filter((problem) => !/^(?:node_name|zone):/.test(problem));
    if (problems.length > 0) {
      throw new CliFailure(problems.join("\n"), { exitCode: exitCodes.usage.code });
    }
  }
  throw new CliFailure("Which cluster is meant is not said.", {
    exitCode: exitCodes.usage.code,
    next: "Give --cluster-name and --cluster-etcd-endpoints, or a node's --config.",
  });
}
