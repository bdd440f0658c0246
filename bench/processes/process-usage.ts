// What the operating system says a process has used. Linux only (/proc); elsewhere the columns stay empty.

import { readFileSync } from "node:fs";

/** USER_HZ: what /proc counts CPU time in. It is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** User and system time of all threads, in microseconds. */
export function cpuMicrosOf(pid: number): number | undefined {
  const stat = readProc(pid, "stat");
  // The second field is the program's name in parentheses and may hold spaces; utime and stime are fields 14 and 15.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields?.[11]) + Number(fields?.[12]);
  return Number.isNaN(ticks) ? undefined : (ticks * 1_000_000) / ticksPerSecond;
}

export interface Memory {
  readonly residentBytes: number;
  /** The part that is pages of files, which the system takes back whenever it needs room. */
  readonly fileBytes: number;
  readonly peakResidentBytes: number;
}

export function memoryOf(pid: number): Memory | undefined {
  const status = readProc(pid, "status");
  if (status === undefined) return undefined;
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1_024;
  return {
    residentBytes: bytes("VmRSS"),
    fileBytes: bytes("RssFile"),
    peakResidentBytes: bytes("VmHWM"),
  };
}

function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    return undefined;
  }
}
