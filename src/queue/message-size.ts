// The size of a message as its limits count it: the bytes of its body, and of each attribute name, full type label and value
// (SQS developer guide, message quotas). What the server keeps beside that is free.

import type { MessageAttribute } from "./model.js";

export function attributesSize(attributes: readonly MessageAttribute[]): number {
  let size = 0;
  for (const { name, dataType, value } of attributes) {
    size += Buffer.byteLength(name) + Buffer.byteLength(dataType) + value.length;
  }
  return size;
}
