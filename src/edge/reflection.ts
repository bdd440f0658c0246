// Reflection: tools such as grpcurl ask which services are here and what their messages look like. Answered from the
// descriptor set that the build embeds: the bytes of each file untouched, so that comments survive, each with everything it
// imports, so that strict linkers are satisfied. Versions v1 and v1alpha are the same conversation under two names.
//
// The index is built at the first question; most servers are never asked.

import {
  createFileRegistry,
  type DescFile,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { descriptorSetBase64 } from "../gen/descriptor.js";
import {
  ServerReflectionDefinition,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../gen/grpc/reflection/v1/reflection.js";
import { ServerReflectionDefinition as ServerReflectionAlphaDefinition } from "../gen/grpc/reflection/v1alpha/reflection.js";
import type { MessageStream } from "../rpc/call.js";
import type { Listener } from "./listener.js";

type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/** Adds both versions; `services` are the full names to list beside them. */
export function addReflection(listener: Listener, services: readonly string[]): void {
  const names = [
    ...services,
    ServerReflectionDefinition.fullName,
    ServerReflectionAlphaDefinition.fullName,
  ].sort();
  const serverReflectionInfo = (
    stream: MessageStream<ServerReflectionRequest, ServerReflectionResponse>,
  ): void => converse(stream, names);
  listener.add(ServerReflectionDefinition, { serverReflectionInfo });
  listener.add(ServerReflectionAlphaDefinition, { serverReflectionInfo });
}

function converse(
  stream: MessageStream<ServerReflectionRequest, ServerReflectionResponse>,
  services: readonly string[],
): void {
  stream.onRequest((request) => {
    const hasRoom = stream.write({
      validHost: request.host,
      originalRequest: request,
      messageResponse: answer(request.messageRequest, services),
    });
    if (hasRoom) return;
    // A peer that asks without reading is read no further.
    stream.pauseRequests();
    stream.drained().then(
      () => stream.resumeRequests(),
      (error) => stream.fail(error),
    );
  });
  stream.onRequestsEnd(() => stream.end());
}

function answer(
  question: ServerReflectionRequest["messageRequest"],
  services: readonly string[],
): Answer {
  switch (question?.$case) {
    case "listServices":
      return {
        $case: "listServicesResponse",
        value: { service: services.map((name) => ({ name })) },
      };
    case "fileByFilename":
      return files(index().fileByName(question.value), `No file is called ${question.value}.`);
    case "fileContainingSymbol":
      return files(index().fileOf(question.value), `No symbol is called ${question.value}.`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const found = index().extensionsOf(containingType)?.get(extensionNumber);
      return files(found, `${containingType} has no extension ${extensionNumber}.`);
    }
    case "allExtensionNumbersOfType": {
      const extensions = index().extensionsOf(question.value);
      if (extensions === undefined) return notFound(`No message is called ${question.value}.`);
      return {
        $case: "allExtensionNumbersResponse",
        value: { baseTypeName: question.value, extensionNumber: [...extensions.keys()] },
      };
    }
    case undefined:
      return failure(status.INVALID_ARGUMENT, "The request asks nothing that this server knows.");
  }
}

function files(file: DescFile | undefined, otherwise: string): Answer {
  if (file === undefined) return notFound(otherwise);
  return {
    $case: "fileDescriptorResponse",
    value: { fileDescriptorProto: index().withImports(file) },
  };
}

const notFound = (message: string): Answer => failure(status.NOT_FOUND, message);

function failure(errorCode: status, errorMessage: string): Answer {
  return { $case: "errorResponse", value: { errorCode, errorMessage } };
}

let builtIndex: DescriptorIndex | undefined;
const index = (): DescriptorIndex => {
  builtIndex ??= new DescriptorIndex(Buffer.from(descriptorSetBase64, "base64"));
  return builtIndex;
};

/** Finds files by their names and by what they define. */
class DescriptorIndex {
  readonly #registry: FileRegistry;
  /** The files as the compiler wrote them, by name. */
  readonly #bytes = new Map<string, Uint8Array>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #extensions = new Map<string, Map<number, DescFile>>();

  constructor(set: Uint8Array) {
    const decoded = fromBinary(FileDescriptorSetSchema, set);
    const rawFiles = split(set);
    decoded.file.forEach(({ name }, position) => {
      this.#bytes.set(name, rawFiles[position] ?? new Uint8Array());
    });
    this.#registry = createFileRegistry(decoded);
    for (const file of this.#registry.files) this.#indexSymbols(file);
  }

  fileByName(name: string): DescFile | undefined {
    return this.#registry.getFile(name);
  }

  fileOf(symbol: string): DescFile | undefined {
    return this.#symbols.get(symbol);
  }

  /** Files by the number of the extension they define; undefined when there is no such message. */
  extensionsOf(message: string): ReadonlyMap<number, DescFile> | undefined {
    if (this.#registry.getMessage(message) === undefined) return undefined;
    return this.#extensions.get(message) ?? new Map();
  }

  /** The file itself first, then whatever it imports, directly or not. */
  withImports(file: DescFile): Uint8Array[] {
    const wanted = new Set([file]);
    // A set yields what is added while it is walked.
    for (const one of wanted) for (const imported of one.dependencies) wanted.add(imported);
    return [...wanted].flatMap((one) => this.#bytes.get(one.proto.name) ?? []);
  }

  #indexSymbols(file: DescFile): void {
    for (const type of nestedTypes(file)) {
      this.#symbols.set(type.typeName, file);
      switch (type.kind) {
        case "message":
          for (const member of [...type.fields, ...type.oneofs]) {
            this.#symbols.set(`${type.typeName}.${member.name}`, file);
          }
          break;
        case "enum": {
          // The values of an enum are its siblings.
          const scope = type.typeName.slice(0, type.typeName.lastIndexOf(".") + 1);
          for (const value of type.values) this.#symbols.set(`${scope}${value.name}`, file);
          break;
        }
        case "service":
          for (const method of type.methods) {
            this.#symbols.set(`${type.typeName}.${method.name}`, file);
          }
          break;
        case "extension": {
          const extended = type.extendee.typeName;
          const numbers = this.#extensions.get(extended) ?? new Map<number, DescFile>();
          this.#extensions.set(extended, numbers.set(type.number, file));
          break;
        }
      }
    }
  }
}

/** The bytes of each file of a FileDescriptorSet, whose only field, number 1, repeats. */
function split(set: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(set);
  const rawFiles: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) rawFiles.push(reader.bytes());
    else reader.skip(wireType);
  }
  return rawFiles;
}
