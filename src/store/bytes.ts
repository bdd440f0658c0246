// Writing and reading the bytes of stored values. Numbers are big-endian; texts and byte strings carry their length first.

import { RecordCorrupt } from "../base/record-corrupt.js";

/** Bytes every encoded row leaves free in front, where the store writes its kind and checksum without copying the row. */
export const frameHeaderBytes = 5;

/** Appends to a growing buffer. One instance may be reused: `start` begins a row, `finish` copies it out. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(512);
  #at = 0;

  #reserve(count: number): number {
    const at = this.#at;
    const end = at + count;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    this.#at = end;
    return at;
  }
  /** Forgets what a row that threw half way has left behind. */
  start(): this {
    this.#at = 0;
    return this;
  }
  u8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }
  u16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes.writeUInt16BE(value, at);
    return this;
  }
  u32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }
  /** A whole number from 0 to 2^53 - 1. */
  u64(value: number): this {
    const at = this.#reserve(8);
    this.#bytes.writeUInt32BE(Math.floor(value / 4_294_967_296), at);
    this.#bytes.writeUInt32BE(value >>> 0, at + 4);
    return this;
  }
  bytes(value: Uint8Array): this {
    this.u32(value.length);
    return this.raw(value);
  }
  raw(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }
  text(value: string): this {
    const length = Buffer.byteLength(value);
    this.u32(length);
    const at = this.#reserve(length);
    this.#bytes.write(value, at, length, "utf8");
    return this;
  }
  /** Characters up to U+00FF, a byte each, without their length. */
  latin1(value: string): this {
    const at = this.#reserve(value.length);
    this.#bytes.write(value, at, value.length, "latin1");
    return this;
  }
  /** What was written, behind `frameHeaderBytes` free bytes. */
  finish(): Buffer {
    const out = Buffer.allocUnsafe(frameHeaderBytes + this.#at);
    this.#bytes.copy(out, frameHeaderBytes, 0, this.#at);
    this.#at = 0;
    return out;
  }
}

/** Reads what a ByteWriter wrote; reading past the end is corruption. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #key: string;
  #at: number;

  constructor(bytes: Buffer, key: string, at = 0) {
    this.#bytes = bytes;
    this.#key = key;
    this.#at = at;
  }
  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }
  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new RecordCorrupt(this.#key, "it ends too early");
    this.#at = at + count;
    return at;
  }
  u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }
  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }
  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }
  u64(): number {
    const at = this.#take(8);
    return this.#bytes.readUInt32BE(at) * 4_294_967_296 + this.#bytes.readUInt32BE(at + 4);
  }
  /** A view: valid as long as the buffer it was read from. */
  bytes(): Buffer {
    return this.raw(this.u32());
  }
  raw(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  text(): string {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.toString("utf8", at, at + length);
  }
  /** So many bytes, as a character each. */
  latin1(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString("latin1", at, at + length);
  }
}
