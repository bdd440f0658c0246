// "Did you mean": the known name that takes the fewest edits from what was written, if it is near enough to be meant.

/** Undefined when none is near: more than a third of the letters would have to change. */
export function nearestName(written: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let nearestEdits = Math.max(2, Math.floor(written.length / 3)) + 1;
  for (const name of known) {
    const edits = editsBetween(written.toLowerCase(), name.toLowerCase());
    if (edits < nearestEdits) {
      nearest = name;
      nearestEdits = edits;
    }
  }
  return nearest;
}

/** Levenshtein's distance: insertions, deletions and replacements of one letter. */
function editsBetween(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const removed = (previous[column] ?? 0) + 1;
      const added = (current[column - 1] ?? 0) + 1;
      current.push(Math.min(replaced, removed, added));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}
