/** What a smoke test makes of limits: two runs in a row, from one address, meet them. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { clientOf } from "../../scripts/smoke/client.ts";

const pauses = vi.hoisted((): number[] => []);
vi.mock("node:timers/promises", () => ({ setTimeout: async (ms: number) => void pauses.push(ms) }));

let limited: number[] = [];
const server = createServer((_request, response) => {
  const seconds = limited.shift();
  if (seconds === undefined) response.writeHead(200).end("{}");
  else response.writeHead(429, { "Retry-After": String(seconds) }).end('{"code":"rate_limited"}');
});
let base: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  pauses.length = 0;
});

test("the limit of logins, five minutes, is waited for, also twice", async () => {
  limited = [286, 300];
  expect((await clientOf(base)("GET", "/")).status).toBe(200);
  expect(pauses).toEqual([286_000, 300_000]);
});

test("the limit of registrations, up to an hour, is not: it is said, with the time", async () => {
  limited = [3000];
  expect(await clientOf(base)("GET", "/")).toMatchObject({ status: 429, retryAfterSeconds: 3000 });
  expect(pauses).toEqual([]);
});
