// Configuration: the settings of src/config/settings.ts, read from a file, the environment and flags, each overriding the one
// before, into one frozen object. Names that are not in the table are refused with the nearest one that is, since a misspelt
// setting that is silently ignored is worse than a server that does not start. All problems are reported at once.
//
// Nothing else reads settings from the environment.

import { existsSync, readFileSync, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { parse as parseYaml } from "yaml";
import { OperatorFault } from "./base/operator-fault.js";
import { clusterProblems } from "./config/cluster-rules.js";
import { type Environment, processEnvironment } from "./config/environment.js";
import { nearestName } from "./config/nearest-name.js";
import {
  type Config,
  environmentName,
  flagName,
  notLoopback,
  propertyName,
  type Setting,
  type SettingName,
  settings,
} from "./config/settings.js";

export type { Config } from "./config/settings.js";

export interface ConfigSources {
  /** The flags, as `["--listen", "127.0.0.1:0"]`. */
  readonly args: readonly string[];
  readonly env: Environment;
  /** Where relative paths begin and where `forebay.yaml` is looked for. */
  readonly workingDirectory: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Each setting in the table's order, as written and where it came from; for `config print --origin`. */
  readonly origins: readonly SettingOrigin[];
}

export interface SettingOrigin {
  readonly name: SettingName;
  readonly value: string;
  /** `default`, `file forebay.yaml`, `environment FOREBAY_LISTEN` or `flag --listen`. */
  readonly origin: string;
}

/** The configuration cannot be used; the message has one sentence a problem, saying what to write instead. */
export class ConfigFault extends OperatorFault {
  override readonly name = "ConfigFault";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** Variables that clients and the command line read, and the one that names our file. */
const otherVariables = ["FOREBAY_ENDPOINT", "FOREBAY_TOKEN", "FOREBAY_CONFIG"];
const configFlag = "--config";
const defaultFiles = ["forebay.yaml", "forebay.json"];
const configFileBytesMax = 1_048_576;

const rows = Object.entries(settings) as [SettingName, Setting<unknown>][];

/** The sources of this process; `args` are what follows `serve`. */
export function processSources(args: readonly string[]): ConfigSources {
  return { args, env: processEnvironment(), workingDirectory: process.cwd() };
}

export function loadConfig(sources: ConfigSources): LoadedConfig {
  const problems: string[] = [];
  const flags = readFlags(sources.args, problems);
  const file = configFile(flags.file, sources, problems);
  const given = new Map<SettingName, Given>();
  for (const layer of [
    file === undefined ? [] : readFile(file, problems),
    readEnvironment(sources.env, problems),
    flags.given,
  ]) {
    for (const value of layer) given.set(value.setting, value);
  }
  const values: Record<string, unknown> = {};
  const origins: SettingOrigin[] = [];
  for (const [name, row] of rows) {
    const value = checkedValue(row, given.get(name), problems);
    values[propertyName(name)] = placed(row, value, sources);
    const origin = given.get(name)?.origin ?? "default";
    origins.push({ name, value: row.toText(value), origin });
  }
  if (problems.length > 0) throw new ConfigFault(problems);
  // Every row of the table was put in above, under its own name and checked by its own schema.
  const config = Object.freeze(values) as unknown as Config;
  const together = clusterProblems(config);
  if (together.length > 0) throw new ConfigFault(together);
  return { config, origins };
}

/** A value somebody wrote, and how they would recognise it. */
interface Given {
  readonly setting: SettingName;
  readonly value: unknown;
  /** As in `SettingOrigin`. */
  readonly origin: string;
  /** How to write another value in the same place, as `FOREBAY_LISTEN=`. */
  readonly spelling: string;
}

/** A path begins where the program was started; anything else, and a path left out, is as it was written. */
function placed(
  row: Setting<unknown>,
  value: unknown,
  { workingDirectory }: ConfigSources,
): unknown {
  return row.isPath && value !== "" ? resolve(workingDirectory, String(value)) : value;
}

function checkedValue(
  row: Setting<unknown>,
  given: Given | undefined,
  problems: string[],
): unknown {
  if (given === undefined) return row.default;
  const result = row.schema.safeParse(given.value);
  if (result.success) return result.data;
  const example = `${given.spelling}${row.example ?? row.toText(row.default)}`;
  const isRefusedAddress = result.error.issues.some(({ message }) => message === notLoopback);
  problems.push(
    `${given.origin}: ${shown(given.value)} cannot be used; ` +
      (isRefusedAddress ? `${notLoopback}.` : `it must be ${row.range}, as in "${example}".`),
  );
  return row.default;
}

function readEnvironment(env: ConfigSources["env"], problems: string[]): Given[] {
  const names = new Map(rows.map(([name]) => [environmentName(name), name]));
  const given: Given[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith("FOREBAY_") || text === undefined) continue;
    if (otherVariables.includes(variable)) continue;
    const setting = names.get(variable);
    if (setting === undefined) {
      problems.push(
        unknown(`environment ${variable}`, variable, [...names.keys(), ...otherVariables]),
      );
      continue;
    }
    const value = settings[setting].fromText(text);
    given.push({ setting, value, origin: `environment ${variable}`, spelling: `${variable}=` });
  }
  return given;
}

function readFlags(
  args: readonly string[],
  problems: string[],
): { readonly given: readonly Given[]; readonly file: string | undefined } {
  const names = new Map(rows.map(([name]) => [flagName(name), name]));
  const isSwitch = (flag: string): boolean => {
    const setting = names.get(flag);
    return setting !== undefined && settings[setting].isSwitch;
  };
  const given: Given[] = [];
  let file: string | undefined;
  for (const { flag, text } of splitFlags(args, isSwitch)) {
    const setting = names.get(flag);
    if (!flag.startsWith("--")) {
      problems.push(`flag: "${flag}" is not a flag; settings are written as --name value.`);
    } else if (setting === undefined && flag !== configFlag) {
      problems.push(unknown(`flag ${flag}`, flag, [...names.keys(), configFlag]));
    } else if (text === undefined) {
      problems.push(`flag ${flag}: a value must follow.`);
    } else if (setting === undefined) {
      file = text;
    } else {
      const value = settings[setting].fromText(text);
      given.push({ setting, value, origin: `flag ${flag}`, spelling: `${flag}=` });
    }
  }
  return { given, file };
}

/** `--name value`, `--name=value`, and `--name` for a switch, after which only a literal true or false is its value. */
function* splitFlags(
  args: readonly string[],
  isSwitch: (flag: string) => boolean,
): Generator<{ readonly flag: string; readonly text: string | undefined }> {
  for (let at = 0; at < args.length; at += 1) {
    const [flag = "", inline] = splitOnce(args[at] ?? "", "=");
    const next = args[at + 1];
    const isValue = isSwitch(flag)
      ? next === "true" || next === "false"
      : next !== undefined && flag.startsWith("--") && !next.startsWith("--");
    if (inline !== undefined) yield { flag, text: inline };
    else if (isValue) {
      yield { flag, text: next };
      at += 1;
    } else yield { flag, text: isSwitch(flag) ? "true" : undefined };
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** The file to read: the one named, else `forebay.yaml` or `forebay.json` here, else none. */
function configFile(
  flag: string | undefined,
  { env, workingDirectory }: ConfigSources,
  problems: string[],
): string | undefined {
  const named = flag ?? env["FOREBAY_CONFIG"];
  if (named !== undefined) {
    const path = resolve(workingDirectory, named);
    if (existsSync(path)) return path;
    problems.push(`file ${named}: there is no such file; name another with ${configFlag}.`);
    return undefined;
  }
  const found = defaultFiles.filter((name) => existsSync(join(workingDirectory, name)));
  if (found.length > 1) {
    problems.push(
      `file ${found.join(", ")}: both are here; keep one, or name one with ${configFlag}.`,
    );
  }
  return found[0] === undefined ? undefined : join(workingDirectory, found[0]);
}

function readFile(path: string, problems: string[]): Given[] {
  const content = parseFile(path, problems);
  if (content === undefined) return [];
  const names = rows.map(([name]) => name);
  return Object.entries(content).flatMap(([key, value]): Given[] => {
    const setting = names.find((name) => name === key);
    const origin = `file ${path}`;
    if (setting !== undefined) {
      return [{ setting, value, origin: `${origin} (${key})`, spelling: `${key}: ` }];
    }
    problems.push(unknown(`${origin} (${key})`, key, names));
    return [];
  });
}

function parseFile(
  path: string,
  problems: string[],
): Readonly<Record<string, unknown>> | undefined {
  try {
    const { size } = statSync(path);
    if (size > configFileBytesMax) {
      problems.push(`file ${path}: it has ${size} bytes; at most ${configFileBytesMax} are read.`);
      return undefined;
    }
    const text = readFileSync(path, "utf8");
    const content: unknown = extname(path) === ".json" ? JSON.parse(text) : parseYaml(text);
    // An empty file sets nothing.
    if (content === null || content === undefined) return {};
    if (typeof content === "object" && !Array.isArray(content)) return { ...content };
    problems.push(`file ${path}: it must hold settings as "name: value" lines.`);
  } catch (error) {
    problems.push(`file ${path}: it cannot be read: ${messageOf(error)}.`);
  }
  return undefined;
}

function unknown(where: string, name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? "the README lists them all" : `did you mean ${nearest}?`;
  return `${where}: there is no such setting; ${hint}`;
}

const shown = (value: unknown): string => JSON.stringify(value) ?? String(value);

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]?.trim() ?? "";

/** The rows of the README's table: `| Setting | Default | Range | Effect |`. */
export function settingsTable(): string {
  const lines = rows.map(([name, row]) => {
    const written = row.toText(row.default);
    const cells = [`\`${name}\``, written && `\`${written}\``, row.range, row.effect];
    return `| ${cells.join(" | ")} |`;
  });
  return ["| Setting | Default | Range | Effect |", "|---|---|---|---|", ...lines].join("\n");
}

/** The settings as lines of help. */
export function settingsHelp(): string {
  const lines = rows.flatMap(([name, row]) => [
    `  ${flagName(name)}, ${environmentName(name)}`,
    `      ${row.effect}`,
    `      It must be ${row.range}. Default: ${row.toText(row.default)}`,
  ]);
  return [
    "Usage: forebay serve [--config <file>] [--<setting> <value>]...",
    "",
    "Settings come from a file (--config, FOREBAY_CONFIG, or forebay.yaml or forebay.json here), then the environment,",
    "then flags; the later one counts. In a file they are called as below without FOREBAY_, in lower case.",
    "",
    ...lines,
  ].join("\n");
}
