// Listening to AbortSignals of others. One signal often ends hundreds of calls at once, all of which listen while they run;
// Node would warn of a leak at eleven, as it cannot know that each stops listening when its call is done.

import { setMaxListeners } from "node:events";

/** Calls `listener` once when the signal is aborted, unless the returned function is called before. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  setMaxListeners(0, signal);
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}
