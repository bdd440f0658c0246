// Reads what `node --cpu-prof` writes and says where the time went, by function and by part of the program.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The file's format: a tree of call sites, and which of them was on top of the stack at each sample. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  /** On the monotonic clock, in microseconds. */
  readonly startTime: number;
  /** Microseconds since the sample before; the first one's since the start. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  /** Such as `src/engine/overlay.js:set` or `node:buffer:from`. */
  readonly name: string;
  readonly micros: number;
}

export interface ProfileSummary {
  /** Time in which the thread did something. */
  readonly busyMicros: number;
  /** Most first. */
  readonly functions: readonly SelfTime[];
  readonly parts: readonly SelfTime[];
}

/** Sums up the one profile in a directory, from an instant of the monotonic clock on. */
export async function readProfile(directory: string, fromMicros: number): Promise<ProfileSummary> {
  const files = (await readdir(directory)).filter((name) => name.endsWith(".cpuprofile"));
  const [file] = files;
  if (file === undefined || files.length > 1)
    throw new Error(`${files.length} profiles were written instead of one.`);
  const profile = JSON.parse(await readFile(join(directory, file), "utf8")) as CpuProfile;
  return summaryOf(profile, fromMicros);
}

const isIdle = (name: string): boolean => name === "(idle)" || name === "(program)";

function summaryOf(profile: CpuProfile, fromMicros: number): ProfileSummary {
  const selfMicros = new Map<number, number>();
  let atMicros = profile.startTime;
  profile.samples.forEach((node, index) => {
    atMicros += profile.timeDeltas[index] ?? 0;
    if (atMicros < fromMicros) return;
    // The time until the next sample is spent where this one was.
    const micros = profile.timeDeltas[index + 1] ?? 0;
    selfMicros.set(node, (selfMicros.get(node) ?? 0) + micros);
  });
  const functions = new Map<string, number>();
  const parts = new Map<string, number>();
  let busyMicros = 0;
  for (const { id, callFrame } of profile.nodes) {
    const micros = selfMicros.get(id) ?? 0;
    if (micros === 0 || isIdle(callFrame.functionName)) continue;
    busyMicros += micros;
    const module = moduleOf(callFrame.url);
    const own =
      callFrame.functionName === "" ? `line ${callFrame.lineNumber + 1}` : callFrame.functionName;
    const name = module === "" ? own : `${module}:${own}`;
    functions.set(name, (functions.get(name) ?? 0) + micros);
    const part = partOf(module, callFrame.functionName);
    parts.set(part, (parts.get(part) ?? 0) + micros);
  }
  return { busyMicros, functions: mostFirst(functions), parts: mostFirst(parts) };
}

const mostFirst = (times: ReadonlyMap<string, number>): SelfTime[] =>
  [...times]
    .map(([name, micros]) => ({ name, micros }))
    .sort((left, right) => right.micros - left.micros);

/** The file, from the last package's name or from `dist` on. */
function moduleOf(url: string): string {
  const inPackage = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+\/.*)$/.exec(url)?.[1];
  return inPackage ?? url.replace(/^file:\/\//, "").replace(/^.*\/dist\//, "src/");
}

/** Folders of ours, packages of others, Node's own JavaScript, and what has no file: the collector, native code. */
function partOf(module: string, functionName: string): string {
  if (module === "") return functionName.startsWith("(") ? functionName : "native";
  if (module.startsWith("node:"))
    return module.replace(/^node:(?:internal\/)?([^/]+).*$/, "node:$1");
  const [first = "", second = ""] = module.split("/");
  return first === "src" || first.startsWith("@") ? `${first}/${second}` : first;
}
