// Reflection: tools such as grpcurl ask which services are here and what their messages look like. Answered from the
// descriptor set that the build embeds: the bytes of each file untouched, so that comments survive, each with everything it
// imports, so that strict linkers are satisfied. Versions v1 and v1alpha are the same conversation under two names.
//
// The index is built at the first question; most servers are never asked.

import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FileDescriptorSetSchema,
  type ServiceDescriptorProto,
} from "@bufbuild/protobuf/wkt";
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

function files(file: IndexedFile | undefined, otherwise: string): Answer {
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
  readonly #files = new Map<string, IndexedFile>();
  readonly #symbols = new Map<string, IndexedFile>();
  readonly #extensions = new Map<string, Map<number, IndexedFile>>();

  constructor(set: Uint8Array) {
    const rawFiles = split(set);
    const { file: decoded } = fromBinary(FileDescriptorSetSchema, set);
    decoded.forEach(({ name, package: scope, dependency, ...content }, position) => {
      const file = { bytes: rawFiles[position] ?? new Uint8Array(), imports: dependency };
      this.#files.set(name, file);
      const symbols = [
        ...content.messageType.flatMap((message) => symbolsOf(message, scope)),
        ...content.enumType.flatMap((type) => symbolsOfEnum(type, scope)),
        ...content.service.flatMap((service) => symbolsOfService(service, scope)),
        ...content.extension.map((extension) => `${scope}.${extension.name}`),
      ];
      for (const symbol of symbols) this.#symbols.set(symbol, file);
      const extensions = [...content.extension, ...content.messageType.flatMap(extensionsIn)];
      for (const { extendee, number } of extensions) {
        const numbers = this.#extensions.get(extendee) ?? new Map<number, IndexedFile>();
        this.#extensions.set(extendee, numbers.set(number, file));
      }
    });
  }

  fileByName(name: string): IndexedFile | undefined {
    return this.#files.get(name);
  }

  fileOf(symbol: string): IndexedFile | undefined {
    return this.#symbols.get(symbol);
  }

  /** Files by the number of the extension they define; undefined when nothing has this name. */
  extensionsOf(type: string): ReadonlyMap<number, IndexedFile> | undefined {
    if (!this.#symbols.has(type)) return undefined;
    // Descriptors write the names of types with a leading dot.
    return this.#extensions.get(`.${type}`) ?? new Map();
  }

  /** The file itself first, then whatever it imports, directly or not. */
  withImports(file: IndexedFile): Uint8Array[] {
    const wanted = new Set([file]);
    // A set yields what is added while it is walked.
    for (const one of wanted) {
      for (const name of one.imports) {
        const imported = this.#files.get(name);
        if (imported !== undefined) wanted.add(imported);
      }
    }
    return [...wanted].map(({ bytes }) => bytes);
  }
}

interface IndexedFile {
  /** As the compiler wrote it. */
  readonly bytes: Uint8Array;
  readonly imports: readonly string[];
}

function symbolsOf(message: DescriptorProto, scope: string): string[] {
  const name = `${scope}.${message.name}`;
  const members = [...message.field, ...message.oneofDecl, ...message.extension];
  return [
    name,
    ...members.map((member) => `${name}.${member.name}`),
    ...message.nestedType.flatMap((nested) => symbolsOf(nested, name)),
    ...message.enumType.flatMap((type) => symbolsOfEnum(type, name)),
  ];
}

/** The values of an enum are its siblings. */
function symbolsOfEnum(type: EnumDescriptorProto, scope: string): string[] {
  return [type, ...type.value].map(({ name }) => `${scope}.${name}`);
}

function symbolsOfService(service: ServiceDescriptorProto, scope: string): string[] {
  const name = `${scope}.${service.name}`;
  return [name, ...service.method.map((method) => `${name}.${method.name}`)];
}

function extensionsIn(message: DescriptorProto): FieldDescriptorProto[] {
  return [...message.extension, ...message.nestedType.flatMap(extensionsIn)];
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
