// About how many values a JSON text holds, found by its brackets and commas without reading it as JSON: that would be most of the
// work which the count is to prevent.

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const dot = 0x2e;
const array = 0x5b;
const object = 0x7b;

/** At least the values of a text that is JSON, objects and arrays among them, and the dots in names. One pass, a millisecond a megabyte. */
export function valuesIn(text: Buffer): number {
  let count = 1;
  /** In the last string, which is a name if a colon follows. An escape may stand for one. */
  let dots = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case quote:
        dots = 0;
        for (at += 1; at < text.length && text[at] !== quote; at += 1) {
          if (text[at] === dot) dots += 1;
          else if (text[at] === backslash) {
            dots += 1;
            at += 1;
          }
        }
        break;
      case colon:
        count += dots;
        break;
      case comma:
      case array:
      case object:
        count += 1;
        break;
    }
  }
  return count;
}
