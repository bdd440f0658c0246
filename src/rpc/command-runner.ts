// What handlers ask of whatever runs their commands: the engine where this node decides, or a reader of a replica's state, for
// which every command is a question and changes nothing.

import type { Engine } from "../engine/engine.js";

export interface CommandRunner extends Pick<Engine, "execute" | "executeOrWait" | "now"> {
  /**
   * True when nothing that a command changes is kept, so that asking until there is nothing left to settle would have no end.
   * The leader settles, and what it has settled comes.
   */
  readonly keepsNothing?: boolean;
}
