// Gives a process a wall clock that a test can step: `node --import <this file> program.js`. The offset, in milliseconds, stands
// in the file that WALL_OFFSET_FILE names, also when the process starts; SIGUSR2 has it read again, and then the file with
// `.seen` behind its name says which one holds. Only the wall is stepped: elapsed time, and timers, run on.

import { readFileSync, writeFileSync } from "node:fs";

const path = process.env["WALL_OFFSET_FILE"] ?? "";
const RealDate = Date;
let offsetMs = 0;

function read() {
  offsetMs = Number(readFileSync(path, "utf8"));
  writeFileSync(`${path}.seen`, String(offsetMs));
}

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + offsetMs);
    else super(...given);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};

read();
process.on("SIGUSR2", read);
