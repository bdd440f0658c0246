// Which of two reads of etcd saw the later truth. A linearizable read that began after another had ended saw nothing older. Of two
// that overlapped, the one with the later revision did; revisions alone do not tell, since those of an etcd that was restored
// from a backup begin anew.

export class ViewOrder {
  #steps = 0;
  #acceptedAt = 0;
  #acceptedRevision = -1n;

  /** A read begins; returns its ticket. */
  begin(): number {
    this.#steps += 1;
    return this.#steps;
  }

  /** Whether what a read found may take the place of what was accepted before; if so, it is accepted. */
  mayFollow(ticket: number, revision: bigint): boolean {
    const isOverlapping = ticket <= this.#acceptedAt;
    if (isOverlapping && revision < this.#acceptedRevision) return false;
    this.#steps += 1;
    this.#acceptedAt = this.#steps;
    this.#acceptedRevision = revision;
    return true;
  }
}
