// The kinds of settings: how a value of each is written, checked and explained. The table of all settings is made of these.

import { isIP } from "node:net";
import { z } from "zod";
import { clusterNamePattern } from "../base/cluster-names.js";
import { type Address, addressText, isLoopback, parseAddress } from "./address.js";

/** One row: how a value is written, what is allowed, what it does. */
export interface Setting<Value> {
  readonly schema: z.ZodType<Value>;
  readonly default: Value;
  /** What may be written, as the end of the sentence "it must be …". */
  readonly range: string;
  readonly effect: string;
  /** The value that the text of a flag or an environment variable stands for. */
  readonly fromText: (text: string) => unknown;
  /** How the value is written in a file. */
  readonly toText: (value: Value) => string;
  /** What to write, for a setting whose default is nothing. */
  readonly example?: string;
  /** Whether a flag may stand alone, meaning true. */
  readonly isSwitch: boolean;
  /** Whether it is a path, which begins where the program was started. */
  readonly isPath: boolean;
}

/** What most settings are: written as they are, in one word, with a value. */
const plain = { isSwitch: false, isPath: false } as const;

export function integer(row: {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly effect: string;
}): Setting<number> {
  const { min, max } = row;
  return {
    ...plain,
    schema: z.int().min(min).max(max),
    default: row.default,
    range: `a whole number from ${min} to ${max}`,
    effect: row.effect,
    fromText: (text) => (/^-?\d{1,16}$/.test(text) ? Number(text) : text),
    toText: String,
  };
}

export function flag(row: {
  readonly default: boolean;
  readonly effect: string;
}): Setting<boolean> {
  return {
    ...plain,
    schema: z.boolean(),
    default: row.default,
    range: "true or false",
    effect: row.effect,
    fromText: (text) => (text === "true" ? true : text === "false" ? false : text),
    toText: String,
    isSwitch: true,
  };
}

export function choice<const Choice extends string>(row: {
  readonly choices: readonly Choice[];
  readonly default: Choice;
  readonly effect: string;
}): Setting<Choice> {
  return {
    ...plain,
    schema: z.enum(row.choices),
    default: row.default,
    range: `one of ${row.choices.join(", ")}`,
    effect: row.effect,
    fromText: (text) => text,
    toText: (value) => value,
  };
}

export function path(row: { readonly default: string; readonly effect: string }): Setting<string> {
  return {
    ...plain,
    schema: z.string().min(1).max(pathCharactersMax).regex(pathPattern),
    default: row.default,
    range: "a path",
    effect: row.effect,
    fromText: (text) => text,
    toText: (value) => value,
    isPath: true,
  };
}

/** A path that may be left out; empty then. */
export function optionalPath(row: {
  readonly effect: string;
  readonly example: string;
}): Setting<string> {
  return {
    ...path({ default: "", effect: row.effect }),
    schema: z.literal("").or(z.string().max(pathCharactersMax).regex(pathPattern)),
    example: row.example,
  };
}

/** The name of a cluster, a node or a zone; empty when it is left out. */
export function clusterName(row: {
  readonly effect: string;
  readonly example: string;
}): Setting<string> {
  return {
    ...text(row),
    schema: z.literal("").or(z.string().regex(clusterNamePattern)),
    range: "1 to 63 of a-z, 0-9 and -, with no - at either end",
  };
}

/** A short text that may be left out; empty then. */
export function text(row: { readonly effect: string; readonly example: string }): Setting<string> {
  return {
    ...plain,
    schema: z.string().max(textCharactersMax),
    default: "",
    range: `a text of at most ${textCharactersMax} characters`,
    effect: row.effect,
    example: row.example,
    fromText: (written) => written,
    toText: (value) => value,
  };
}

/** Where others reach a listener of this node; undefined when it is left out. */
export function endpoint(row: {
  readonly effect: string;
  readonly example: string;
}): Setting<Address | undefined> {
  const parsed = z.string().transform((written, context): Address | undefined => {
    if (written === "") return undefined;
    const found = parseAddress(written);
    if (found === undefined || found.port === 0) {
      context.addIssue({ code: "custom", message: "no endpoint" });
    }
    return found;
  });
  return {
    ...plain,
    schema: parsed as unknown as z.ZodType<Address | undefined>,
    default: undefined,
    range: "a host and a port from 1 to 65535",
    effect: row.effect,
    example: row.example,
    fromText: (written) => written,
    toText: (value) => (value === undefined ? "" : addressText(value)),
  };
}

/** Endpoints of other servers, perhaps with a scheme; a list in a file, with commas between them elsewhere. */
export function endpoints(row: {
  readonly effect: string;
  readonly example: string;
}): Setting<readonly string[]> {
  const one = z
    .string()
    .refine((written) => parseAddress(written.replace(/^https?:\/\/|\/$/g, "")) !== undefined);
  const split = (written: string): string[] =>
    written
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  return {
    ...plain,
    schema: z.preprocess(
      (written) => (typeof written === "string" ? split(written) : written),
      z.array(one).max(endpointCountMax),
    ) as unknown as z.ZodType<readonly string[]>,
    default: [],
    range: `at most ${endpointCountMax} of host:port, http://host:port or https://host:port, with commas between them`,
    effect: row.effect,
    example: row.example,
    fromText: (written) => written,
    toText: (value) => value.join(","),
  };
}

/** Ranges of addresses; a list in a file, with commas between them elsewhere. */
export function networks(row: {
  readonly effect: string;
  readonly example: string;
}): Setting<readonly string[]> {
  const split = (written: string): string[] =>
    written
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  return {
    ...plain,
    schema: z.preprocess(
      (written) => (typeof written === "string" ? split(written) : written),
      z.array(z.string().refine(isNetwork)).max(networkCountMax),
    ) as unknown as z.ZodType<readonly string[]>,
    default: [],
    range: `at most ${networkCountMax} ranges as 10.0.0.0/8 or fd00::/8, with commas between them`,
    effect: row.effect,
    example: row.example,
    fromText: (written) => written,
    toText: (value) => value.join(","),
  };
}

function isNetwork(text: string): boolean {
  const [, address = "", bits = ""] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Where others reach this server by HTTP, without a slash at the end; empty when it is left out. */
export function baseUrl(row: {
  readonly effect: string;
  readonly example: string;
}): Setting<string> {
  return {
    ...text(row),
    schema: z.literal("").or(
      z
        .string()
        .max(textCharactersMax)
        .regex(/^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*[^\s?#/])?$/),
    ),
    range: "an http or https URL without user, query, fragment and a slash at its end",
  };
}

const networkCountMax = 64;
const pathCharactersMax = 4_096;
// A NUL would end the name early in the operating system's eyes.
const pathPattern = /^[^\0]+$/;
const textCharactersMax = 256;
const endpointCountMax = 16;

/** Where to listen: on this machine only, until there is authentication for applications. */
export function address(row: {
  readonly default: string;
  readonly effect: string;
}): Setting<Address> {
  return {
    ...anyAddress(row),
    schema: addressSchema((found) => (isLoopback(found) ? undefined : notLoopback)),
    range: "an address of this machine with a port from 0 (any free one) to 65535",
  };
}

/** Where to listen, on any address of this machine; other rules may narrow it. */
export function anyAddress(row: {
  readonly default: string;
  readonly effect: string;
}): Setting<Address> {
  const defaultAddress = parseAddress(row.default);
  if (defaultAddress === undefined) throw new Error(`The default ${row.default} is no address.`);
  return {
    ...plain,
    schema: addressSchema(() => undefined),
    default: defaultAddress,
    range: "an address with a port from 0 (any free one) to 65535",
    effect: row.effect,
    fromText: (written) => written,
    toText: addressText,
  };
}

function addressSchema(whyNot: (address: Address) => string | undefined): z.ZodType<Address> {
  const parsed = z.string().transform((written, context): Address => {
    const found = parseAddress(written);
    const why = found === undefined ? "no address" : whyNot(found);
    if (why !== undefined) context.addIssue({ code: "custom", message: why });
    return found ?? { host: "", port: 0 };
  });
  // Its input is a string and its output an address; the table names the output.
  return parsed as unknown as z.ZodType<Address>;
}

/** Said instead of the range when an address is one, but not allowed yet. */
export const notLoopback =
  "listening beyond this machine is not available until Forebay has TLS and authentication; " +
  "use a loopback address such as 127.0.0.1, and a tunnel or a proxy of your own to reach it from elsewhere";
