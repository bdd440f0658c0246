// Bytes to messages and back, for every method. grpc-js is left to carry bytes: so a call that is served elsewhere is passed on
// as it came, fields of newer versions included, and a decoder never throws inside grpc-js, which would answer INTERNAL past
// everything of ours. Bytes that are no message of their type become a sentinel, answered INVALID_ARGUMENT / MALFORMED_REQUEST.

import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { MethodDefinition } from "../rpc/call.js";

/** What ts-proto generates for a message type, as far as the wire needs it. */
interface MessageCodec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(input: BinaryReader): Message;
}

/** Stands for a request that could not be decoded. */
export const malformedRequest: unique symbol = Symbol("malformed request");

export type Decoded<Message> = Message | typeof malformedRequest;

// The runtime's own reader replaces invalid UTF-8 with U+FFFD; proto3 demands that it is refused, and a queue must not store
// another text than it was given. Costs nothing (measured: 161 against 143 ns for 1 KiB).
const strictText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const decodeText = (bytes: Uint8Array): string => strictText.decode(bytes);

function requestDecoder<Message>(
  codec: MessageCodec<Message>,
): (bytes: Buffer) => Decoded<Message> {
  return (bytes) => {
    const reader = new BinaryReader(bytes, decodeText);
    try {
      const message = codec.decode(reader);
      // Generated code stops without an error at a tag of 0 or an unmatched end of group.
      return reader.pos === reader.len ? message : malformedRequest;
    } catch {
      // Whatever a decoder throws (premature end, invalid text, nesting over 100), the bytes are the cause.
      return malformedRequest;
    }
  };
}

/** The generated serialisers copy what the writer returns into a new Buffer; a view of it does. */
function responseEncoder<Message>(codec: MessageCodec<Message>): (message: Message) => Buffer {
  return (message) => {
    const bytes = codec.encode(message).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

/** The messages of one method. */
export interface MethodCodec {
  decode(bytes: Buffer): Decoded<unknown>;
  encode(message: unknown): Buffer;
}

export function methodCodec({ requestType, responseType }: MethodDefinition): MethodCodec {
  return {
    decode: requestDecoder(requestType as MessageCodec<unknown>),
    encode: responseEncoder(responseType as MessageCodec<unknown>),
  };
}

/** What grpc-js is given in the place of a codec. */
export const asBytes = (bytes: Buffer): Buffer => bytes;
