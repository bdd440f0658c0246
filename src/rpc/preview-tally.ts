// What a preview of a move task has counted so far, command by command, and its answer.

import type { Namespace } from "../base/brands.js";
import type { PreviewMessageMoveTaskResponse } from "../gen/forebay/queue/v1/queue_service.js";
import { limits } from "../queue/limits.js";
import type { MovePreviewed } from "../queue/move-preview.js";
import type { PeekedMessage } from "../queue/peek-messages.js";
import { renderPeeked } from "./render.js";
import { nameFor } from "./render-move.js";

/** What a sample may take beside body and attributes: ids, times, trace header, a rejection's text. */
const sampleOverheadBytes = 6_144;

export interface PreviewWanted {
  readonly callerNamespace: Namespace;
  readonly sampleMax: number;
  /** Of each sample. */
  readonly bodyBytesMax: number;
}

export class PreviewTally {
  readonly #wanted: PreviewWanted;
  readonly #destinations = new Map<string, bigint>();
  readonly #reasons = new Map<string, bigint>();
  readonly #samples: PreviewMessageMoveTaskResponse["samples"] = [];
  #samplesLeft: number;
  #sampleBytes = 0;
  #matchingCount = 0n;
  #leftOutCount = 0;
  #skippedCount = 0n;
  #unavailableCount = 0;

  constructor(wanted: PreviewWanted) {
    this.#wanted = wanted;
    this.#samplesLeft = wanted.sampleMax;
  }

  /** Samples still asked for. */
  get samplesLeft(): number {
    return this.#samplesLeft;
  }

  add(previewed: MovePreviewed): void {
    this.#leftOutCount += previewed.leftOutCount;
    this.#unavailableCount += previewed.unavailableCount;
    for (const { target, rejectionReason = "" } of previewed.matching) {
      this.#matchingCount += 1n;
      if (target === undefined) this.#skippedCount += 1n;
      else countIn(this.#destinations, nameFor(this.#wanted.callerNamespace, target));
      countIn(this.#reasons, rejectionReason);
    }
    for (const sample of previewed.samples) this.#addSample(sample, previewed.source);
  }

  /** The first that would make the reply too large ends the samples; one is always shown. */
  #addSample(sample: PeekedMessage, source: MovePreviewed["source"]): void {
    if (this.#samplesLeft === 0) return;
    const { bodyBytesMax } = this.#wanted;
    const { sizeBytes, content } = sample.message;
    const cutBytes = Math.max(0, content.body.length - bodyBytesMax);
    this.#sampleBytes += sizeBytes - cutBytes + sampleOverheadBytes;
    if (this.#samples.length > 0 && this.#sampleBytes > limits.replyBytesMax) {
      this.#samplesLeft = 0;
      return;
    }
    this.#samplesLeft -= 1;
    // Its place at the destination is not known, so it is shown as a message without one.
    this.#samples.push(renderPeeked(sample, { ...source, isFifo: false }, bodyBytesMax));
  }

  answer(): PreviewMessageMoveTaskResponse {
    return {
      matchingMessageCount: this.#matchingCount,
      otherMessageCount: BigInt(this.#leftOutCount),
      skippedMessageCount: this.#skippedCount,
      unavailableMessageCount: BigInt(this.#unavailableCount),
      destinationMessageCounts: this.#destinations,
      rejectionReasonCounts: this.#reasons,
      samples: this.#samples,
    };
  }
}

/** Of more names than there is room for, those met first are counted. */
function countIn(counts: Map<string, bigint>, name: string): void {
  const count = counts.get(name);
  if (count === undefined && counts.size === limits.previewNamesMax) return;
  counts.set(name, (count ?? 0n) + 1n);
}
