// Which stream of this node renews which lease, so that one that takes a lease over takes it from the stream that had it. A
// client notices that its connection broke, and comes back, often before the server does; what the old stream held would else be
// given back by its end, from under the new one.

/** A stream's leases, as far as others are concerned. */
export interface LeaseHolder {
  yieldTo(handles: readonly string[]): void;
}

export class LeaseHolders {
  readonly #holders = new Map<string, LeaseHolder>();

  set(handle: string, holder: LeaseHolder): void {
    this.#holders.set(handle, holder);
  }

  /** Forgets it, unless it is somebody else's by now. */
  delete(handle: string, holder: LeaseHolder): void {
    if (this.#holders.get(handle) === holder) this.#holders.delete(handle);
  }

  /** Takes these from whoever else has them. */
  takeOver(handles: readonly string[], by: LeaseHolder): void {
    const taken = new Map<LeaseHolder, string[]>();
    for (const handle of handles) {
      const holder = this.#holders.get(handle);
      if (holder === undefined || holder === by) continue;
      const known = taken.get(holder);
      if (known === undefined) taken.set(holder, [handle]);
      else known.push(handle);
    }
    for (const [holder, theirs] of taken) holder.yieldTo(theirs);
  }
}
