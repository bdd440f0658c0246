// What a server's metrics say about its commits.

export interface CommitTimes {
  readonly count: number;
  readonly sumSeconds: number;
  /** Rows written and removed by all of them. */
  readonly changeCount: number;
}

export function commitTimesOf(metrics: string): CommitTimes {
  const value = (name: string): number => {
    const text = new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1];
    if (text === undefined) throw new Error(`The server's metrics lack ${name}.`);
    return Number(text);
  };
  return {
    count: value("forebay_store_commit_seconds_count"),
    sumSeconds: value("forebay_store_commit_seconds_sum"),
    changeCount: value("forebay_store_commit_changes_sum"),
  };
}

export const differenceOf = (after: CommitTimes, before: CommitTimes): CommitTimes => ({
  count: after.count - before.count,
  sumSeconds: after.sumSeconds - before.sumSeconds,
  changeCount: after.changeCount - before.changeCount,
});
