// Which queues are FIFO queues: by the contract their names, and only theirs, end in `.fifo`, so that nobody needs to ask.

/** Whether the queue of this name keeps the order of its groups. */
export function isFifo(queue: string): boolean {
  return queue.endsWith(".fifo");
}
