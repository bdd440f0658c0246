// Endpoints as people write them, and as others write them who want to be somewhere else.

import { describe, expect, test } from "vitest";
import { maskedUrl } from "../../src/base/masked-url.js";
import {
  type Endpoint,
  readFunctionEndpoint,
  readWebhookEndpoint,
} from "../../src/delivery/endpoint.js";

function webhook(text: string, scheme: "http" | "https" = "https"): Endpoint | undefined {
  const read = readWebhookEndpoint(text, scheme);
  return read.kind === "endpoint" ? read.endpoint : undefined;
}

function functionAt(text: string): Endpoint | undefined {
  const read = readFunctionEndpoint(text);
  return read.kind === "endpoint" ? read.endpoint : undefined;
}

describe("a webhook", () => {
  test("has a host, a port, a path and maybe a user", () => {
    expect(webhook("https://us%40er:p%3Ass@Hooks.Example:8443/a/b?c=d")).toEqual({
      isSecure: true,
      host: "hooks.example",
      isAddress: false,
      port: 8_443,
      path: "/a/b?c=d",
      authority: "hooks.example:8443",
      credentials: { user: "us@er", password: "p:ss" },
    });
    expect(webhook("http://hooks.example", "http")).toMatchObject({
      isSecure: false,
      port: 80,
      path: "/",
      authority: "hooks.example",
      credentials: undefined,
    });
    expect(webhook("https://[2606:2800::1]/")).toMatchObject({
      host: "2606:2800::1",
      isAddress: true,
      port: 443,
      authority: "[2606:2800::1]",
    });
  });

  test.each([
    ["https://127.1/", "127.0.0.1"],
    ["https://2130706433/", "127.0.0.1"],
    ["https://0x7f.1/", "127.0.0.1"],
    ["https://017700000001/", "127.0.0.1"],
    ["https://0/", "0.0.0.0"],
    ["https://１２７.0.0.1/", "127.0.0.1"],
    ["https://127.0.0.1./", "127.0.0.1"],
    ["https://[::ffff:127.0.0.1]/", "::ffff:7f00:1"],
    ["https://[0:0:0:0:0:0:0:1]/", "::1"],
  ])("at %s is at the address %s", (text, host) => {
    expect(webhook(text)).toMatchObject({ host, isAddress: true });
  });

  test("with a dot at the end is the name without it", () => {
    expect(webhook("https://hooks.example./")).toMatchObject({ host: "hooks.example" });
  });

  test.each([
    ["", "https"],
    ["hooks.example", "https"],
    ["//hooks.example", "https"],
    ["https:hooks.example", "https"],
    ["https:///path", "https"],
    ["http://hooks.example", "https"],
    ["https://hooks.example", "http"],
    ["ftp://hooks.example", "https"],
    ["file:///etc/passwd", "https"],
    ["https://hooks.example#a", "https"],
    ["https://hooks.example/#", "https"],
    ["https://hooks.example:0/", "https"],
    ["https://hooks.example:65536/", "https"],
    ["https://hooks.example/a b", "https"],
    ["https://hooks.example/\ta", "https"],
    ["https://hooks\n.example/", "https"],
    ["https://hooks.example\\@inside.example/", "https"],
    ["https://999.1.1.1/", "https"],
    ["https://[fe80::1%25eth0]/", "https"],
    ["https://%zz@hooks.example/", "https"],
    ["http://user:secret@hooks.example/", "http"],
    [`https://${"a".repeat(250)}.example/`, "https"],
    [`https://hooks.example/${"a".repeat(2_048)}`, "https"],
  ] as const)("is not %j as %s", (text, scheme) => {
    expect(webhook(text, scheme)).toBeUndefined();
  });
});

describe("a function", () => {
  test("has a host and a port, and an authority of its own if it says so", () => {
    expect(functionAt("grpcs://functions.example:50051")).toMatchObject({
      isSecure: true,
      host: "functions.example",
      port: 50_051,
      authority: "functions.example:50051",
    });
    expect(functionAt("grpc://10.0.0.1:50051/Orders.Example:1")).toMatchObject({
      isSecure: false,
      host: "10.0.0.1",
      isAddress: true,
      authority: "orders.example:1",
    });
    expect(functionAt("grpcs://0x7f.1:443")).toMatchObject({ host: "127.0.0.1", port: 443 });
  });

  test.each([
    "https://functions.example",
    "grpcs://user@functions.example:1",
    "grpcs://functions.example:1/a/b",
    "grpcs://functions.example:1/a%0d%0ab",
    "grpcs://functions.example:1/-",
    "grpcs://functions.example:1/?a",
    "dns:///functions.example",
    "unix:/tmp/socket",
  ])("is not %s", (text) => {
    expect(functionAt(text)).toBeUndefined();
  });
});

test.each([
  ["https://user:secret@hooks.example/a@b", "https://***@hooks.example/a@b"],
  ["https://user:se@cret@hooks.example/", "https://***@hooks.example/"],
  ["https://hooks.example/a@b", "https://hooks.example/a@b"],
  ["https://hooks.example?a@b", "https://hooks.example?a@b"],
])("%s is shown to others as %s", (text, masked) => {
  expect(maskedUrl(text)).toBe(masked);
});
