// What the process of probes is to do; given to it as JSON on its command line.

export interface ProbePlan {
  /** The nodes' names and where they take calls. */
  readonly nodes: readonly { readonly name: string; readonly endpoint: string }[];
  /** Of the probes alone, so that their messages can be counted; each has a writer of its own. */
  readonly queues: readonly string[];
  readonly seed: number;
  readonly historyPath: string;
  readonly readerCount: number;
  /** Between two calls of one probe. */
  readonly pauseMs: number;
}
