// grpcurl and `buf curl` behind one face: clients that nobody here wrote, driven by JSON, which learn the contract from
// the server's reflection alone. Both take the requests of a call as JSON on their standard input, one after another, and
// print its responses as JSON. They differ in how they tell an error; here it looks the same.

import { spawn, spawnSync } from "node:child_process";
import { createFileRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { binary } from "./repository.mjs";

/** How long a call may take. */
const callMs = 15_000;

const statusNames = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** grpcurl, from the path or where GRPCURL points; undefined where there is none. */
export function findGrpcurl() {
  const command = process.env.GRPCURL ?? "grpcurl";
  const { error } = spawnSync(command, ["-version"], { stdio: "ignore" });
  return error === undefined ? grpcurl(command) : undefined;
}

function grpcurl(command) {
  return {
    name: "grpcurl",
    // It does not know the JSON form of field masks, a text, and takes them as the message they are.
    fieldMask: (paths) => ({ paths }),
    // It takes the newest that is there.
    reflections: [undefined],
    list: (address, service) =>
      linesOf(command, ["-plaintext", address, "list", ...(service ? [service] : [])]).map(
        (name) =>
          // A method is given as `package.Service.Method`.
          service ? name.slice(service.length + 1) : name,
      ),
    describe: (address, symbol) =>
      linesOf(command, ["-plaintext", address, "describe", symbol]).join("\n"),
    open: (address, service, method) =>
      new RpcCall(
        command,
        ["-plaintext", "-format-error", "-emit-defaults", "-d", "@"].concat(
          address,
          `${service}/${method}`,
        ),
        ({ code, message, details }) => ({
          status: statusNames[code],
          message,
          details: Object.fromEntries(
            (details ?? []).map(({ "@type": type, ...detail }) => [shortName(type), detail]),
          ),
        }),
      ),
  };
}

/** `buf curl`, which prints the details of an error undecoded: `descriptorSet` is needed to read them. */
export function bufCurl(descriptorSet) {
  const command = binary("buf");
  const options = ["curl", "--protocol", "grpc", "--http2-prior-knowledge"];
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const decode = ({ type, value }) => {
    const schema = registry.getMessage(type);
    return toJson(schema, fromBinary(schema, Buffer.from(value, "base64")), { registry });
  };
  return {
    name: "buf curl",
    fieldMask: (paths) => paths.join().replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()),
    reflections: ["grpc-v1", "grpc-v1alpha"],
    list: (address, service, reflection = "grpc-v1") => {
      const what = service === undefined ? "--list-services" : "--list-methods";
      const args = [...options, "--reflect-protocol", reflection, what, `http://${address}`];
      if (service === undefined) return linesOf(command, args);
      return linesOf(command, args)
        .filter((line) => line.startsWith(`${service}/`))
        .map((line) => line.slice(service.length + 1));
    },
    open: (address, service, method) =>
      new RpcCall(
        command,
        [...options, "--emit-defaults", "-d", "@-", `http://${address}/${service}/${method}`],
        ({ code, message, details }) => ({
          status: code.toUpperCase().replace("CANCELED", "CANCELLED"),
          message,
          details: Object.fromEntries(
            (details ?? []).map((detail) => [shortName(detail.type), decode(detail)]),
          ),
        }),
      ),
  };
}

/** A call under way. Requests may be sent one by one, so that a stream can answer what it was told. */
class RpcCall {
  #child;
  #ended;
  #stdout = "";
  #stderr = "";
  #read = 0;
  #waker = () => undefined;
  #errorOf;

  constructor(command, args, errorOf) {
    this.#errorOf = errorOf;
    this.#child = spawn(command, args, { timeout: callMs, killSignal: "SIGKILL" });
    this.#child.stdout.setEncoding("utf8").on("data", (text) => {
      this.#stdout += text;
      this.#waker();
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#stderr += text;
    });
    // A call that was refused does not read what is still written to it.
    this.#child.stdin.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (status, signal) => {
        this.#waker();
        resolve(status ?? signal);
      });
    });
  }

  send(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  /** The next response; undefined if the call ended without one. */
  async next() {
    for (;;) {
      const responses = parseSequence(this.#stdout);
      if (responses.length > this.#read) return responses[this.#read++];
      const status = await Promise.race([
        this.#ended,
        new Promise((resolve) => {
          this.#waker = resolve;
        }),
      ]);
      if (status !== undefined && parseSequence(this.#stdout).length === this.#read)
        return undefined;
    }
  }

  /** Says that there are no more requests, and waits for the end: all responses, and the error if there is one. */
  async end() {
    this.#child.stdin.end();
    const status = await this.#ended;
    const responses = parseSequence(this.#stdout);
    if (status === 0) return { status: "OK", responses };
    const [error] = parseSequence(this.#stderr);
    if (error === undefined) throw new Error(`The call ended with ${status}: ${this.#stderr}`);
    return { ...this.#errorOf(error), responses };
  }
}

function linesOf(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: callMs,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${stderr}`);
  return stdout.trimEnd().split("\n");
}

/** The complete JSON objects at the start of a text, one after another. */
function parseSequence(text) {
  const objects = [];
  let depth = 0;
  let start = 0;
  // A string as a whole, so that braces in it are not counted, or a brace.
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === "{") {
      if (depth === 0) start = index;
      depth += 1;
    } else if (token === "}") {
      depth -= 1;
      if (depth === 0) objects.push(parseOrExplain(text.slice(start, index + 1)));
    }
  }
  return objects;
}

function parseOrExplain(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${text}`, { cause: error });
  }
}

function shortName(type) {
  return type.slice(type.lastIndexOf(".") + 1);
}
