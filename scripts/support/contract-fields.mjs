// Which fields of the contract a request fills: so that a script can tell which ones it never tried.

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Fields by their message, each as `SendMessageRequest.delay`. Google's own types count as plain values. */
export class ContractFields {
  #registry;
  #filled = new Set();

  constructor(descriptorSet) {
    this.#registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  }

  /** Notes what a request in JSON fills. */
  note(service, method, request) {
    this.#walk(this.#inputOf(service, method), request);
  }

  #walk(message, json) {
    for (const [name, value] of Object.entries(json)) {
      const field = message.fields.find(({ jsonName }) => jsonName === name);
      if (field === undefined) throw new Error(`${message.typeName} has no field ${name}.`);
      this.#filled.add(keyOf(message, field));
      const inner = innerMessage(field);
      const values = field.fieldKind === "map" ? Object.values(value) : [value].flat();
      if (inner !== undefined) for (const each of values) this.#walk(inner, each);
    }
  }

  /** The fields of the requests of a service that no request filled. */
  missing(service, methods) {
    const keys = new Set(methods.flatMap((method) => [...keysOf(this.#inputOf(service, method))]));
    return [...keys].filter((key) => !this.#filled.has(key));
  }

  #inputOf(service, method) {
    const { methods } = this.#registry.getService(service);
    return methods.find(({ name }) => name === method).input;
  }
}

const keyOf = (message, field) => `${message.name}.${field.jsonName}`;

/** The message of ours that a field holds, alone, in a list or in a map. */
function innerMessage({ message }) {
  return message === undefined || message.typeName.startsWith("google.") ? undefined : message;
}

function* keysOf(message) {
  for (const field of message.fields) {
    yield keyOf(message, field);
    const inner = innerMessage(field);
    if (inner !== undefined) yield* keysOf(inner);
  }
}
