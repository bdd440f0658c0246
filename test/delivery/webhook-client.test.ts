// Posting to webhooks, over real sockets, to receivers of every kind of ill will.

import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../support/manual-clock.js";
import {
  closedRules,
  endpointOf,
  localCertificate,
  loopbackOpened,
  postOf,
  rawReceiver,
  receiver,
  until,
  webhookClient,
} from "./receivers.js";

const hello = postOf("hello ☕");

describe("a receiver that answers", () => {
  test("200 has the message, with path, query and host, over HTTP/1.1", async () => {
    const target = await receiver((_, response) => response.end("thanks"));
    const outcome = await webhookClient().post({ endpoint: target.endpoint("/a?b=c") }, hello);
    expect(outcome).toEqual({
      kind: "delivered",
      answer: { statusCode: 200, text: "200 OK" },
    });
    expect(target.received).toMatchObject([
      {
        method: "POST",
        url: "/a?b=c",
        body: "hello ☕",
        headers: { host: `hooks.example:${target.port}`, "content-type": "text/plain" },
      },
    ]);
  });

  test.each([
    [201, "delivered"],
    [204, "delivered"],
    [300, "permanent"],
    [400, "permanent"],
    [403, "permanent"],
    [404, "permanent"],
    [408, "permanent"],
    [410, "permanent"],
    [413, "permanent"],
    [429, "retryable"],
    [500, "retryable"],
    [503, "retryable"],
    [599, "retryable"],
  ])("%d: %s", async (statusCode, kind) => {
    const target = await receiver((_, response) => response.writeHead(statusCode).end());
    const outcome = await webhookClient().post({ endpoint: target.endpoint() }, hello);
    expect(outcome).toMatchObject({ kind, answer: { statusCode } });
    expect(target.received).toHaveLength(1);
  });

  test.each([301, 302, 307, 308])("%d is not followed", async (statusCode) => {
    const elsewhere = await receiver((_, response) => response.end());
    const location = `http://hooks.example:${elsewhere.port}/`;
    const target = await receiver((_, response) =>
      response.writeHead(statusCode, { location }).end(),
    );
    const outcome = await webhookClient().post({ endpoint: target.endpoint() }, hello);
    expect(outcome).toMatchObject({ kind: "permanent", reason: "refused", answer: { statusCode } });
    expect(elsewhere.connections()).toBe(0);
  });

  test.each([
    [429, "throttled", "120", 120_000],
    [503, "server_error", "Tue, 01 Jan 2030 00:01:00 GMT", 60_000],
  ])("%d with Retry-After says when to come back", async (statusCode, reason, text, delayMs) => {
    const target = await receiver((_, response) =>
      response.writeHead(statusCode, { "retry-after": text }).end(),
    );
    const client = webhookClient({ clock: new ManualClock() });
    const outcome = await client.post({ endpoint: target.endpoint() }, hello);
    const hint = { kind: "not_before", delayMs };
    expect(outcome).toMatchObject({ kind: "retryable", reason, hint });
  });

  test("with a reason of its own is quoted in the standard's words, and its body not at all", async () => {
    const target = await receiver((_, response) =>
      response.writeHead(500, "root:x:0:0").end("secret of the inside"),
    );
    const outcome = await webhookClient().post({ endpoint: target.endpoint() }, hello);
    expect(JSON.stringify(outcome)).not.toMatch(/root|secret/);
    expect(outcome).toMatchObject({ answer: { text: "500 Internal Server Error" } });
  });

  test("101 switches no protocol", async () => {
    const { endpoint } = await rawReceiver((socket) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    );
    const outcome = await webhookClient().post({ endpoint }, hello);
    expect(outcome).toMatchObject({ kind: "permanent", answer: { statusCode: 101 } });
  });
});

describe("connections", () => {
  test("are kept and used again", async () => {
    const target = await receiver((_, response) => response.end("ok"));
    const client = webhookClient();
    for (let count = 0; count < 5; count += 1) {
      const outcome = await client.post({ endpoint: target.endpoint() }, hello);
      expect(outcome.kind).toBe("delivered");
    }
    expect(target.connections()).toBe(1);
    expect(target.received).toHaveLength(5);
  });

  test("that were kept and ended meanwhile cost no attempt", async () => {
    let answers = 0;
    const { endpoint } = await rawReceiver((socket) => {
      let isUsed = false;
      socket.on("data", () => {
        // Ends the connection when it is used the second time, as a server does that has just let it go.
        if (isUsed) {
          socket.resetAndDestroy();
          return;
        }
        isUsed = true;
        answers += 1;
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      });
    });
    const client = webhookClient();
    expect((await client.post({ endpoint }, hello)).kind).toBe("delivered");
    expect((await client.post({ endpoint }, hello)).kind).toBe("delivered");
    expect(answers).toBe(2);
  });

  test("are not shared by those with different certificates", async () => {
    const certificate = localCertificate("hooks.example");
    const target = await receiver((_, response) => response.end("ok"), certificate);
    const client = webhookClient();
    const trusting = { caCertificates: certificate.certificate };
    const endpoint = target.endpoint();
    expect((await client.post({ endpoint, tls: trusting }, hello)).kind).toBe("delivered");
    expect(await client.post({ endpoint }, hello)).toMatchObject({ reason: "tls_failed" });
    expect((await client.post({ endpoint, tls: trusting }, hello)).kind).toBe("delivered");
    expect(target.connections()).toBe(2);
  });

  test("end when the client is closed, and what is under way may be tried again", async () => {
    const target = await receiver(() => undefined);
    const client = webhookClient();
    const outcome = client.post({ endpoint: target.endpoint() }, hello);
    await until(() => target.received.length === 1);
    client.close();
    expect(await outcome).toMatchObject({ kind: "retryable", reason: "shut_down" });
    expect(await client.post({ endpoint: target.endpoint() }, hello)).toMatchObject({
      reason: "shut_down",
    });
  });
});

test("a client that is closed while it connects sends nothing any more", async () => {
  const target = await receiver((_, response) => response.end());
  let answer = (_addresses: readonly string[]): void => {
    throw new Error("Nobody asked.");
  };
  const resolve = () =>
    new Promise<readonly string[]>((done) => {
      answer = done;
    });
  const client = webhookClient({ resolve });
  const outcome = client.post({ endpoint: target.endpoint() }, hello);
  client.close();
  expect(await outcome).toMatchObject({ kind: "retryable", reason: "shut_down" });
  answer(["127.0.0.1"]);
  await until(() => target.closed() === 1);
  expect(target.received).toEqual([]);
});

describe("a receiver that does not answer well", () => {
  test("stalls: after 15 s in all it may be tried again", async () => {
    const target = await receiver(() => undefined);
    const clock = new ManualClock();
    let outcome: unknown;
    const client = webhookClient({ clock });
    void client.post({ endpoint: target.endpoint() }, hello).then((value) => {
      outcome = value;
    });
    await until(() => target.received.length === 1);
    await clock.advance(14_999);
    expect(outcome).toBeUndefined();
    await clock.advance(1);
    await until(() => outcome !== undefined);
    expect(outcome).toMatchObject({ kind: "retryable", reason: "response_timeout" });
  });

  test("trickles its head for ever: after 15 s in all it may be tried again", async () => {
    let sent = 0;
    const { endpoint } = await rawReceiver((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nX-Slow: ");
      const timer = setInterval(() => {
        socket.write("x");
        sent += 1;
      }, 2);
      socket.on("close", () => clearInterval(timer));
    });
    const clock = new ManualClock();
    const outcome = webhookClient({ clock }).post({ endpoint }, hello);
    await until(() => sent > 5);
    await clock.advance(15_000);
    expect(await outcome).toMatchObject({ kind: "retryable", reason: "response_timeout" });
  });

  test("sends a head without end", async () => {
    const { endpoint } = await rawReceiver((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nX-Long: ${"x".repeat(17_000)}\r\n\r\n`);
    });
    const outcome = await webhookClient().post({ endpoint }, hello);
    expect(outcome).toMatchObject({ kind: "retryable", reason: "response_malformed" });
  });

  test("speaks something else", async () => {
    const { endpoint } = await rawReceiver((socket) => socket.write("220 mail.example ESMTP\r\n"));
    const outcome = await webhookClient().post({ endpoint }, hello);
    expect(outcome).toMatchObject({ kind: "retryable", reason: "response_malformed" });
  });

  test("resets the connection", async () => {
    const { endpoint } = await rawReceiver((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    const outcome = await webhookClient().post({ endpoint }, hello);
    expect(outcome).toMatchObject({ kind: "retryable", reason: "connection_failed" });
  });

  test("ends the connection without a word", async () => {
    const { endpoint } = await rawReceiver((socket) => socket.end());
    const outcome = await webhookClient().post({ endpoint }, hello);
    expect(outcome).toMatchObject({ kind: "retryable", reason: "connection_failed" });
  });

  test("is not there", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    await new Promise((resolve) => server.close(resolve));
    const endpoint = endpointOf(`http://hooks.example:${port}/`);
    const outcome = await webhookClient().post({ endpoint }, hello);
    expect(outcome).toMatchObject({ kind: "retryable", reason: "connection_failed" });
  });

  test("sends a body without end: what its head said counts, and the connection is ended", async () => {
    let bytes = 0;
    let isEnded = false;
    const { endpoint } = await rawReceiver((socket) => {
      socket.on("close", () => {
        isEnded = true;
      });
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
      const chunk = Buffer.alloc(16_384, 120);
      const more = (): void => {
        while (!isEnded && socket.write(chunk)) bytes += chunk.length;
      };
      socket.on("drain", more);
      more();
    });
    const outcome = await webhookClient().post({ endpoint }, hello);
    expect(outcome.kind).toBe("delivered");
    await until(() => isEnded);
    // What sockets of both sides hold comes on top of what was read.
    expect(bytes).toBeLessThan(32 * 1_048_576);
  });

  test("answers early and breaks off while the message is still sent: what its head said counts", async () => {
    const { endpoint } = await rawReceiver((socket) => {
      socket.once("data", () => {
        socket.pause();
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        setTimeout(() => socket.resetAndDestroy(), 50);
      });
    });
    const outcome = await webhookClient().post({ endpoint }, postOf("x".repeat(20_000_000)));
    expect(outcome.kind).toBe("delivered");
  });

  test("trickles its body for ever: after 5 s what its head said counts", async () => {
    let sent = 0;
    let isEnded = false;
    const { endpoint } = await rawReceiver((socket) => {
      socket.write("HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n");
      const timer = setInterval(() => {
        socket.write("1\r\nx\r\n");
        sent += 1;
      }, 2);
      socket.on("close", () => {
        isEnded = true;
        clearInterval(timer);
      });
    });
    const clock = new ManualClock();
    let outcome: unknown;
    void webhookClient({ clock })
      .post({ endpoint }, hello)
      .then((value) => {
        outcome = value;
      });
    await until(() => sent > 10);
    await clock.advance(4_999);
    expect(outcome).toBeUndefined();
    await clock.advance(1);
    await until(() => outcome !== undefined && isEnded);
    expect(outcome).toMatchObject({ kind: "retryable", answer: { statusCode: 503 } });
  });
});

describe("TLS", () => {
  const good = localCertificate("hooks.example");

  test("with a certificate that is trusted and for this name delivers", async () => {
    const target = await receiver((_, response) => response.end(), good);
    const tls = { caCertificates: good.certificate };
    const outcome = await webhookClient().post({ endpoint: target.endpoint(), tls }, hello);
    expect(outcome.kind).toBe("delivered");
  });

  test.each([
    ["that nobody vouches for", good, undefined],
    ["for another name", localCertificate("other.example"), "itself"],
  ])(
    "with a certificate %s may be tried again, and nothing is sent",
    async (_, certificate, ca) => {
      const target = await receiver((_request, response) => response.end(), certificate);
      const tls = ca === undefined ? {} : { caCertificates: certificate.certificate };
      const outcome = await webhookClient().post({ endpoint: target.endpoint(), tls }, hello);
      expect(outcome).toMatchObject({ kind: "retryable", reason: "tls_failed" });
      expect(target.received).toEqual([]);
    },
  );

  test("with an address is held against that address", async () => {
    const certificate = localCertificate("127.0.0.1");
    const target = await receiver((_, response) => response.end(), certificate);
    const tls = { caCertificates: certificate.certificate };
    const endpoint = endpointOf(`https://127.0.0.1:${target.port}/`);
    expect((await webhookClient().post({ endpoint, tls }, hello)).kind).toBe("delivered");
    const other = await receiver((_, response) => response.end(), good);
    const wrong = endpointOf(`https://127.0.0.1:${other.port}/`);
    const outcome = await webhookClient().post(
      { endpoint: wrong, tls: { caCertificates: good.certificate } },
      hello,
    );
    expect(outcome).toMatchObject({ kind: "retryable", reason: "tls_failed" });
  });

  test("with a user sends it, and never to an address that is not asked", async () => {
    const target = await receiver((_, response) => response.end(), good);
    const endpoint = endpointOf(`https://us%40er:p%C3%A4ss@hooks.example:${target.port}/`);
    await webhookClient().post({ endpoint, tls: { caCertificates: good.certificate } }, hello);
    const expected = `Basic ${Buffer.from("us@er:päss").toString("base64")}`;
    expect(target.received[0]?.headers.authorization).toBe(expected);
    expect(target.received[0]?.headers.host).toBe(`hooks.example:${target.port}`);
  });

  test("with a user answers a digest's challenge once, and a second one is the outcome", async () => {
    const challenge = 'Digest realm="r", nonce="n1", qop="auth", algorithm=SHA-256';
    let isEver = false;
    const target = await receiver((request, response) => {
      const isProven = request.headers.authorization?.startsWith("Digest ") === true && !isEver;
      if (isProven) response.end();
      else response.writeHead(401, { "www-authenticate": challenge }).end();
    }, good);
    const endpoint = endpointOf(`https://user:secret@hooks.example:${target.port}/a?b`);
    const tls = { caCertificates: good.certificate };
    const client = webhookClient();
    expect((await client.post({ endpoint, tls }, hello)).kind).toBe("delivered");
    expect(target.received).toHaveLength(2);
    expect(target.received[1]?.body).toBe("hello ☕");
    expect(target.received[1]?.headers.authorization).toContain('uri="/a?b"');
    expect(target.received[1]?.headers.authorization).not.toContain("secret");
    isEver = true;
    const refused = await client.post({ endpoint, tls }, hello);
    expect(refused).toMatchObject({ kind: "permanent", answer: { statusCode: 401 } });
    expect(target.received).toHaveLength(4);
    // Without a user there is nothing to prove.
    const nobody = target.endpoint();
    expect((await client.post({ endpoint: nobody, tls }, hello)).kind).toBe("permanent");
    expect(target.received).toHaveLength(5);
  });

  test("that never shakes hands has its 5 s", async () => {
    let connected = 0;
    const { port } = await rawReceiver(() => {
      connected += 1;
    });
    const clock = new ManualClock();
    const endpoint = endpointOf(`https://hooks.example:${port}/`);
    const outcome = webhookClient({ clock }).post({ endpoint }, hello);
    await until(() => connected === 1 && clock.timerCount === 2);
    await clock.advance(5_000);
    expect(await outcome).toMatchObject({ kind: "retryable", reason: "tls_failed" });
  });
});

describe("the guard", () => {
  const resolvingTo =
    (...addresses: readonly string[]) =>
    () =>
      Promise.resolve(addresses);

  test("refuses a name that has a private address, before a byte", async () => {
    const target = await receiver((_, response) => response.end());
    const client = webhookClient({ rules: closedRules, resolve: resolvingTo("127.0.0.1") });
    const outcome = await client.post({ endpoint: target.endpoint() }, hello);
    expect(outcome).toMatchObject({ kind: "permanent", reason: "address_blocked" });
    expect(target.connections()).toBe(0);
  });

  test("refuses a name that has a good address and a bad one", async () => {
    const target = await receiver((_, response) => response.end());
    const client = webhookClient({ resolve: resolvingTo("127.0.0.1", "10.0.0.1") });
    const outcome = await client.post({ endpoint: target.endpoint() }, hello);
    expect(outcome).toMatchObject({ kind: "permanent", reason: "address_blocked" });
    expect(target.connections()).toBe(0);
  });

  test("dials what it judged: a name that turns around is asked once a connection, and refused when it does", async () => {
    const target = await receiver((_, response) =>
      response.writeHead(200, { connection: "close" }).end(),
    );
    const answers = [["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"]];
    let asked = 0;
    const resolve = () => {
      asked += 1;
      return Promise.resolve(answers[asked - 1] ?? []);
    };
    const client = webhookClient({ resolve });
    const kinds: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      kinds.push((await client.post({ endpoint: target.endpoint() }, hello)).kind);
    }
    expect(kinds).toEqual(["delivered", "permanent", "delivered"]);
    expect(asked).toBe(3);
    expect(target.connections()).toBe(2);
  });

  test("judges the address that a socket turns out to have, before a byte", async () => {
    const target = await receiver((_, response) => response.end());
    let asked = 0;
    const rules = {
      ...closedRules,
      // Good when the name is looked up, and no more when the connection stands: as if it went elsewhere.
      get allowed() {
        asked += 1;
        return asked === 1 ? loopbackOpened.allowed : [];
      },
    };
    const outcome = await webhookClient({ rules }).post({ endpoint: target.endpoint() }, hello);
    expect(outcome).toMatchObject({ kind: "permanent", reason: "address_blocked" });
    await until(() => target.closed() === 1);
    expect(target.received).toEqual([]);
  });

  test.each([
    "http://127.0.0.1",
    "http://127.1",
    "http://2130706433",
    "http://0x7f.1",
    "http://017700000001",
    "http://0",
    "http://１２７.0.0.1",
    "http://[::1]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[64:ff9b::7f00:1]",
    "http://[fe80::1]",
    "http://169.254.169.254",
  ])("refuses %s, which no look-up sees", async (origin) => {
    let asked = 0;
    const resolve = () => {
      asked += 1;
      return Promise.resolve(["203.0.113.1"]);
    };
    const client = webhookClient({ rules: closedRules, resolve });
    const outcome = await client.post({ endpoint: endpointOf(`${origin}/`) }, hello);
    expect(outcome).toMatchObject({ kind: "permanent", reason: "address_blocked" });
    expect(asked).toBe(0);
  });

  test("does not let go of its own listeners, whatever is opened", async () => {
    const target = await receiver((_, response) => response.end());
    const ownListeners = [{ address: "127.0.0.1", port: target.port }];
    const client = webhookClient({ rules: { ...loopbackOpened, ownListeners } });
    const outcome = await client.post({ endpoint: target.endpoint() }, hello);
    expect(outcome).toMatchObject({ kind: "permanent", reason: "address_blocked" });
    expect(target.connections()).toBe(0);
  });

  test("does not tell the address that a name has", async () => {
    const client = webhookClient({ rules: closedRules, resolve: resolvingTo("10.20.30.40") });
    const outcome = await client.post({ endpoint: endpointOf("https://inside.example/") }, hello);
    expect(JSON.stringify(outcome)).not.toContain("10.20.30.40");
  });

  test("lets a name that is unknown be tried again", async () => {
    const resolve = () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" }));
    const outcome = await webhookClient({ resolve }).post(
      { endpoint: endpointOf("https://nowhere.example/") },
      hello,
    );
    expect(outcome).toMatchObject({ kind: "retryable", reason: "name_not_resolved" });
  });

  test("gives a name that nobody answers for 3 s", async () => {
    const clock = new ManualClock();
    const client = webhookClient({ clock, resolve: () => new Promise(() => undefined) });
    const outcome = client.post({ endpoint: endpointOf("https://slow.example/") }, hello);
    await until(() => clock.timerCount === 2);
    await clock.advance(3_000);
    expect(await outcome).toMatchObject({ kind: "retryable", reason: "connect_timeout" });
  });
});

test("a header that cannot be sent is a failure of the message", async () => {
  const target = await receiver((_, response) => response.end());
  const request = { ...hello, headers: { traceparent: "a\r\nb: c" } };
  const outcome = await webhookClient().post({ endpoint: target.endpoint() }, request);
  expect(outcome).toMatchObject({ kind: "permanent", reason: "request_invalid" });
});
