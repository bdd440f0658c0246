// Structured logs: one JSON object a line, or coloured text for a person at a terminal. The message is a constant, the data
// are fields under the names the contract uses. error: someone must act; warn: degraded, healing; info: lifecycle; debug: per
// request. Never bodies, receipt handles or credentials.
//
// Lines are written synchronously, so that the last one before an exit is there; the busiest path logs nothing.

import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";
export type LogFormat = "json" | "pretty";

/** The methods our code logs through; a pino logger is one. */
export type Log = Pick<Logger, "trace" | "debug" | "info" | "warn" | "error" | "fatal">;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Where lines go; by default the standard output. */
  readonly destination?: DestinationStream;
}

export async function createLog(options: LogOptions): Promise<Log> {
  const { level, format, destination = standardOutput } = options;
  const target = format === "pretty" ? await prettyStream(destination) : destination;
  const log: Log = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    target,
  );
  return log;
}

/** A log that keeps nothing, for tests and for tools that speak otherwise. */
export const silentLog: Log = pino({ level: "silent" });

const standardOutput: DestinationStream = {
  write: (line) => {
    process.stdout.write(line);
  },
};

// pino-pretty's factory formats in this thread, without the worker and without the buffering of its stream. It is loaded only
// where someone watches, since a server that writes JSON does not need it.
async function prettyStream(destination: DestinationStream): Promise<DestinationStream> {
  const { isColorSupported, prettyFactory } = await import("pino-pretty");
  const prettify = prettyFactory({
    colorize: isColorSupported,
    ignore: "pid",
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
  });
  return { write: (line) => destination.write(prettify(line)) };
}
