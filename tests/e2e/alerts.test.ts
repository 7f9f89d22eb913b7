/** Alerts to a real receiver over HTTP that refuses, redirects, hangs and recovers, across a SIGKILL of the service: nothing is lost. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { newSigningJwk } from "../../worker/tokens/new-key.ts";
import { pause, startServer } from "../support/server.ts";

const PASSWORD = "a quiet harbour 27";
const SECRET = `whsec_${randomBytes(32).toString("base64")}`;

type Received = { headers: IncomingHttpHeaders; body: string };

async function receiver() {
  const received: Received[] = [];
  const seen: string[] = [];
  let mode: "refuse" | "redirect" | "hang" | "take" = "refuse";
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      seen.push(`${mode} ${request.url}`);
      if (mode === "hang") return;
      if (mode === "refuse") response.writeHead(500).end();
      else if (mode === "redirect") response.writeHead(307, { Location: "/elsewhere" }).end();
      else {
        received.push({ headers: request.headers, body });
        response.writeHead(204).end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    seen,
    become: (next: typeof mode) => {
      mode = next;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 600; i += 1) {
    if (isSo()) return;
    await pause(100);
  }
  throw new Error(`never: ${what}`);
}

test("health that fails and recovers is told by the run of every minute: once each, with the part, across a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "alerts-"));
  const hook = await receiver();
  hook.become("take");
  const vars = { ALERT_WEBHOOK_URL: hook.url, ALERT_WEBHOOK_SECRET: SECRET };
  const ended = await newSigningJwk("EdDSA", { createdAt: 1, endsAt: 2 });
  const broken = { ...vars, JWT_SIGNING_KEYS: JSON.stringify({ keys: [ended] }) };
  const types = () => hook.received.map(({ body }) => JSON.parse(body).type);
  const everyMinute = async () => {
    const cron = await fetch(
      `${server.base}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent("* * * * *")}`,
    );
    expect(await cron.text()).toBe("ok");
  };
  let server = await startServer(folder, broken, 503);
  try {
    await everyMinute();
    await until("told that it fails", () => types().includes("alert.health_failing"));
    await everyMinute();
    await server.kill("SIGKILL");
    server = await startServer(folder, vars);
    await everyMinute();
    await until("told that it has recovered", () => types().includes("alert.health_recovered"));
    await everyMinute();
    await pause(1500);
    expect(types()).toEqual(["alert.health_failing", "alert.health_recovered"]);
    for (const { headers, body } of hook.received) {
      expect(new Webhook(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
        data: { parts: "jwt" },
      });
    }
  } finally {
    await server.kill("SIGTERM");
    hook.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("LOG-04: what was raised is delivered, signed, once it can be", async () => {
  const folder = await mkdtemp(join(tmpdir(), "alerts-"));
  const hook = await receiver();
  const vars = { ALERT_WEBHOOK_URL: hook.url, ALERT_WEBHOOK_SECRET: SECRET };
  let server = await startServer(folder, vars);
  const post = (path: string, body: unknown, address = "127.0.0.1") =>
    fetch(`${server.base}/api/accounts/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "CF-Connecting-IP": address },
      body: JSON.stringify(body),
    });
  try {
    const registration = { username: "ada", password: PASSWORD, password2: PASSWORD };
    expect((await post("register", registration)).status).toBe(201);
    // From five addresses: five failures from one would be an event of its own.
    for (let i = 0; i < 5; i += 1)
      await post("login", { username: "ada", password: "wrong" }, `203.0.113.${i}`);
    await until("refused", () => hook.seen.includes("refuse /hook"));
    await server.kill("SIGKILL");
    hook.become("redirect");
    server = await startServer(folder, vars);
    await until("redirected", () => hook.seen.includes("redirect /hook"));
    hook.become("hang");
    await until("hung", () => hook.seen.includes("hang /hook"));
    const elsewhere = await post("login", { username: "nobody", password: "wrong" }, "203.0.113.9");
    expect(elsewhere.status, "a receiver that hangs holds nobody up").toBe(401);
    hook.become("take");
    await until("taken", () => hook.received.length > 0);
    await pause(1500);

    expect(
      hook.seen.some((one) => one.includes("elsewhere")),
      "no redirect is followed",
    ).toBe(false);
    expect(hook.received).toHaveLength(1);
    const [{ headers, body }] = hook.received as [Received];
    const message = new Webhook(SECRET).verify(body, headers as Record<string, string>);
    expect(message).toMatchObject({
      type: "alert.security_event",
      data: { type: "account_locked", risk: "high", user_id: 1, reason: "threshold" },
    });
    expect(headers["webhook-id"]).toBe((message as { data: { event_id: string } }).data.event_id);
    for (const secret of ["ada", PASSWORD, "127.0.0.1"]) expect(body).not.toContain(secret);
  } finally {
    await server.kill("SIGTERM");
    hook.close();
    await rm(folder, { recursive: true, force: true });
  }
});
