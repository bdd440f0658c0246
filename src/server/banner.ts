// What a person at a terminal sees when the server is up: where things are and what to type next.

import { styleText } from "node:util";
import { version } from "../base/version.js";
import { type Address, addressText } from "../config/address.js";

export interface BannerFacts {
  readonly dataDir: string;
  readonly dataAddress: Address;
  readonly managementAddress: Address;
  readonly isColoured: boolean;
}

/** The port that the command line calls when it is told nothing else. */
const defaultPort = 7400;

export function bannerText(facts: BannerFacts): string {
  const { dataDir, dataAddress, managementAddress, isColoured } = facts;
  const style = (name: "bold" | "cyan", text: string): string =>
    isColoured ? styleText(name, text) : text;
  const grpc = addressText(dataAddress);
  const where = dataAddress.port === defaultPort ? "" : ` --endpoint ${grpc}`;
  const commands = [
    `npx forebay queue create orders${where}`,
    `npx forebay send orders '{"id": 1}'${where}`,
    `npx forebay receive orders --ack${where}`,
  ];
  return [
    style("bold", `Forebay ${version}`),
    "",
    `  data        ${dataDir}`,
    "  durable     yes: every answer is on disk before it is given",
    `  grpc        ${grpc}`,
    `  management  http://${addressText(managementAddress)}`,
    "",
    "Next, in another terminal:",
    "",
    ...commands.map((command) => `  ${style("cyan", command)}`),
    "",
    "Ctrl-C stops the server; what it holds stays.",
    "",
  ].join("\n");
}
