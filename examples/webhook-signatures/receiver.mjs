// The least a webhook receiver can be: confirms its subscription, and writes each request to a file, for the programs beside this
// one to verify. A real one verifies before it believes anything.
//
//   node receiver.mjs <port> <folder> <address of the server's pages>

import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const [port, folder, pages] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
let count = 0;

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  if (request.method === "POST") {
    const body = Buffer.concat(chunks).toString("utf8");
    const { Type: type, SubscribeURL: url } = JSON.parse(body);
    count += 1;
    writeFileSync(
      join(folder, `${count}-${type}.json`),
      JSON.stringify({ headers: request.headers, body }),
    );
    // Only where one's own server is: else anybody could have any address visited.
    if (type === "SubscriptionConfirmation" && url.startsWith(`${pages}/`)) await fetch(url);
  }
  response.end();
}).listen(Number(port), "127.0.0.1");
