// `forebay cluster …`: seeing and changing a cluster. What the node that leads must do is asked of the management listener of any
// node; beginning a cluster, and mending its epoch, is done in etcd (cluster-init.ts).

import type { ClusterAcks, ClusterAdmin, ClusterStatus } from "@forebay/client";
import type { Command } from "commander";
import { addInitCommand, addRaiseEpochCommand, addRecoverCommand } from "./cluster-init.js";
import {
  memberHeadings,
  memberRow,
  promotionTexts,
  registeredText,
  statusJson,
} from "./cluster-rows.js";
import { type CliContext, duration, oneOf } from "./context.js";
import { type OutputFormat, outputFormats } from "./output.js";

const timeoutDefaultMs = 30_000;
const acksModes = ["ASYNC", "QUORUM", "ALL"] as const satisfies readonly ClusterAcks[];

export function addClusterCommands(program: Command, context: CliContext): void {
  const cluster = program
    .command("cluster")
    .description("begin a cluster, see how it is doing, change who takes part and who leads");
  addInitCommand(cluster, context);
  addStatus(cluster, context);
  addMemberChanges(cluster, context);
  addHandOver(cluster, context);
  addAcks(cluster, context);
  addRaiseEpochCommand(cluster, context);
  addRecoverCommand(cluster, context);
}

interface AdminOptions {
  readonly management: string;
  readonly timeout: number;
  readonly output: OutputFormat;
}

function withAdminOptions(command: Command): Command {
  return command
    .option(
      "--management <host:port>",
      "the management listener of any node of the cluster",
      "127.0.0.1:7401",
    )
    .option("--timeout <span>", "how long the call may take", duration, timeoutDefaultMs)
    .option(
      "-o, --output <format>",
      `how to print: ${outputFormats.join(", ")}`,
      oneOf(outputFormats),
      "table",
    );
}

async function withAdmin(
  options: AdminOptions,
  use: (admin: ClusterAdmin) => Promise<void>,
): Promise<void> {
  const { ClusterAdmin } = await import("@forebay/client");
  const admin = new ClusterAdmin({ endpoint: options.management, timeoutMs: options.timeout });
  try {
    await use(admin);
  } finally {
    await admin.close();
  }
}

function addStatus(cluster: Command, context: CliContext): void {
  const status = cluster
    .command("status")
    .description("show every member: its role, its zone, and how far it is behind");
  withAdminOptions(status).action(async (options: AdminOptions) => {
    await withAdmin(options, async (admin) => printStatus(context, options, await admin.status()));
  });
}

async function printStatus(
  { output }: CliContext,
  options: AdminOptions,
  status: ClusterStatus,
): Promise<void> {
  const rows = status.members.map((member) => memberRow(member));
  if (options.output === "table") {
    await output.print(
      `cluster ${status.cluster}, epoch ${status.epoch}, acks ${status.acks?.toLowerCase() ?? "unknown"}, ` +
        `${status.leader === undefined ? "no leader" : `leader ${status.leader}`}, ` +
        `committed ${status.commitSeq}, configuration ${status.configurationVersion}\n\n`,
    );
    await output.many("table", memberHeadings, rows);
    for (const text of promotionTexts(status)) output.note(text);
    for (const node of status.registeredNodes) output.note(registeredText(node));
    if (status.node !== status.leader) {
      output.note(
        `This is what node ${status.node} knows, which does not lead; how far others are, only the leader knows.`,
      );
    }
  } else if (options.output === "json") {
    await output.one("json", { cells: {}, json: statusJson(status), raw: "" });
  } else {
    await output.many(options.output, memberHeadings, rows);
  }
}

interface MemberChange {
  readonly name: "add" | "remove" | "promote";
  readonly argument: string;
  readonly description: string;
  readonly change: (admin: ClusterAdmin, name: string) => Promise<bigint>;
  readonly note: (name: string) => string;
}

const memberChanges: readonly MemberChange[] = [
  {
    name: "add",
    argument: "<node>",
    description: "let a node that registered take part: it follows, without a vote",
    change: (admin, node) => admin.addMember(node),
    note: (node) =>
      `${node} takes a copy of the state and follows. Once \`forebay cluster status\` shows that it has caught up: forebay cluster promote ${node}`,
  },
  {
    name: "promote",
    argument: "<node>",
    description: "give a member a vote: its disk counts, and it may lead; one voter per zone",
    change: (admin, member) => admin.promoteMember(member),
    note: (member) => `${member} votes.`,
  },
  {
    name: "remove",
    argument: "<node-or-member>",
    description:
      "take a member out for good; its node comes back only with an empty data directory",
    change: (admin, member) => admin.removeMember(member),
    note: (member) => `${member} is out, and the id of its member never comes back.`,
  },
];

function addMemberChanges(cluster: Command, context: CliContext): void {
  for (const { name, argument, description, change, note } of memberChanges) {
    const command = cluster.command(`${name} ${argument}`).description(description);
    withAdminOptions(command).action(async (member: string, options: AdminOptions) => {
      await withAdmin(options, async (admin) => {
        await printVersion(context, options, await change(admin, member));
        context.output.note(note(member));
      });
    });
  }
}

function addHandOver(cluster: Command, context: CliContext): void {
  const handOver = cluster
    .command("handover [node]")
    .description("let another voter lead: the one named, or the one that has the most");
  withAdminOptions(handOver).action(async (node: string | undefined, options: AdminOptions) => {
    await withAdmin(options, async (admin) => {
      await admin.handOver(node);
      context.output.note("The node that led has given way. See who leads: forebay cluster status");
    });
  });
}

function addAcks(cluster: Command, context: CliContext): void {
  const acks = cluster
    .command("acks <mode>")
    .description(
      "say who must have a record on disk before a call is answered: quorum (a majority of voters), all, or async (the leader alone)",
    );
  withAdminOptions(acks).action(async (text: string, options: AdminOptions) => {
    const mode = oneOf(acksModes)(text);
    await withAdmin(options, async (admin) => {
      await printVersion(context, options, await admin.setAcks(mode));
    });
  });
}

async function printVersion(
  { output }: CliContext,
  options: AdminOptions,
  version: bigint,
): Promise<void> {
  await output.one(options.output, {
    cells: { configuration: String(version) },
    json: { configurationVersion: Number(version) },
    raw: String(version),
  });
}
