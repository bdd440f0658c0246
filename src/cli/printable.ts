// What is printed as it came, so that it cannot move a terminal's cursor.

/** Control characters, which could move a terminal's cursor, as escapes. */
export const printable = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
