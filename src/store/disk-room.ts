// Room on the disk, looked for before a batch is handed to LMDB, because a write of LMDB that fails is fatal.
//
// A ballast file keeps some megabytes back. When the disk fills up, also if somebody else fills it between two looks, the
// ballast goes and its room lets receives and deletes go on while sends are refused. It comes back when there is room again.
// Below that, pages free inside the data file carry a batch, as long as there are clearly more of them than it needs.

import { statfsSync, statSync, unlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

const ballastBytesMax = 16 * 1_048_576;
const ballastBytesMin = 2 * 1_048_576;
/** Between the two, the ballast is this part of the disk, or of the map where that is smaller. */
const ballastShare = 32;
/** The ballast is made when this many times its size is free. */
const ballastRoomFactor = 4;
/** Pages freed by the last transactions cannot be reused yet, so those free in the file must be several times the need. */
const reusableFactor = 4;

/** About what a batch writes: its bytes on half-filled pages, something for every row touched, and the tree above. */
export const batchBytes = (valueBytes: number, rowCount: number): number =>
  2 * valueBytes + 1_024 * rowCount + 524_288;

export class DiskRoom {
  readonly #directory: string;
  readonly #ballastPath: string;
  readonly #ballastBytes: number;
  #hasBallast: boolean;
  #isMaking = false;

  constructor(directory: string, mapSizeBytes: number) {
    this.#directory = directory;
    this.#ballastPath = join(directory, "ballast");
    const { blocks, bsize } = statfsSync(directory);
    const share = Math.floor(Math.min(blocks * bsize, mapSizeBytes) / ballastShare);
    this.#ballastBytes = Math.min(ballastBytesMax, Math.max(ballastBytesMin, share));
    this.#hasBallast = sizeOf(this.#ballastPath) === this.#ballastBytes;
  }

  /** Bytes the disk has left for files of ours. */
  free(): number {
    const { bavail, bsize } = statfsSync(this.#directory);
    return bavail * bsize;
  }

  /** Bytes left for messages: without those that the ballast is to have again. */
  freeForMessages(): number {
    return Math.max(0, this.free() - (this.#hasBallast ? 0 : this.#ballastBytes));
  }

  /** Whether a batch of so many bytes can be written; gives the ballast up for it. */
  hasFor(bytes: number, reusableBytes: () => number): boolean {
    if (this.free() >= bytes) return true;
    this.#dropBallast();
    return this.free() >= bytes || reusableBytes() >= reusableFactor * bytes;
  }

  /** Makes the ballast where it is missing and there is plenty of room. */
  async keepBallast(): Promise<void> {
    if (this.#hasBallast || this.#isMaking) return;
    if (this.free() < ballastRoomFactor * this.#ballastBytes) return;
    this.#isMaking = true;
    try {
      await writeFile(this.#ballastPath, Buffer.alloc(this.#ballastBytes));
      this.#hasBallast = true;
    } catch {
      // Somebody else took the room meanwhile: it is tried again with the next look.
      this.#dropBallast();
    } finally {
      this.#isMaking = false;
    }
  }

  #dropBallast(): void {
    this.#hasBallast = false;
    try {
      unlinkSync(this.#ballastPath);
    } catch {
      // There was none.
    }
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return -1;
  }
}
