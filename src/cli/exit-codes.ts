// What the command's exit code says. Stable: scripts depend on it. The table in the help of `forebay` comes from here.

/** Every exit code with the sentence that documents it. */
export const exitCodes = {
  ok: { code: 0, meaning: "done" },
  failed: { code: 1, meaning: "another failure" },
  usage: { code: 2, meaning: "the command, or a value the server refused, is not right" },
  notFound: {
    code: 3,
    meaning:
      "no such queue, topic, subscription, cache, key, element, message, schedule, task, label or node",
  },
  conflict: {
    code: 4,
    meaning: "refused by the present state: exists already, changed since, expired",
  },
  exhausted: { code: 5, meaning: "a quota, the disk or the server's bound is reached" },
  unavailable: { code: 6, meaning: "no server answered, or not in time" },
  denied: { code: 7, meaning: "not allowed, or not authenticated" },
  interrupted: { code: 130, meaning: "interrupted" },
} as const;

// By the name of the gRPC status, which every error of the client carries.
const codeByStatus: Readonly<Record<string, number>> = {
  CANCELLED: exitCodes.interrupted.code,
  INVALID_ARGUMENT: exitCodes.usage.code,
  OUT_OF_RANGE: exitCodes.usage.code,
  NOT_FOUND: exitCodes.notFound.code,
  ALREADY_EXISTS: exitCodes.conflict.code,
  FAILED_PRECONDITION: exitCodes.conflict.code,
  ABORTED: exitCodes.conflict.code,
  RESOURCE_EXHAUSTED: exitCodes.exhausted.code,
  UNAVAILABLE: exitCodes.unavailable.code,
  DEADLINE_EXCEEDED: exitCodes.unavailable.code,
  PERMISSION_DENIED: exitCodes.denied.code,
  UNAUTHENTICATED: exitCodes.denied.code,
};

/** The exit code for a failure with this gRPC status. */
export function exitCodeOfStatus(status: string): number {
  return codeByStatus[status] ?? exitCodes.failed.code;
}

/** The exit codes as lines of help. */
export function exitCodesHelp(): string {
  const rows = Object.values(exitCodes).map(
    ({ code, meaning }) => `  ${`${code}`.padEnd(5)}${meaning}`,
  );
  return ["Exit codes:", ...rows].join("\n");
}
