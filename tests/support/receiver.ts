/** A receiver of alerts inside workerd: the desk's webhook, whose signature is checked with the receiver's own library. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { expect, vi } from "vitest";
import { applyTables } from "../../objects/tables.ts";
import { ALERT_DESK_NAME } from "../../schema/alerts.ts";
import { ALERT_DESK_TABLES } from "../../schema/object-tables.ts";
import { rebind } from "./faults.ts";

const HOST = "alerts.example";
const SECRET = `whsec_${"Zm9ydHktdHdvIHF1aWV0IGhhcmJvdXJzIGluIGEgcm93"}`;
const SETTINGS = {
  ALERT_WEBHOOK_URL: `https://${HOST}/hook`,
  ALERT_WEBHOOK_SECRET: SECRET,
  ALERT_WEBHOOK_HOSTS: HOST,
};

// biome-ignore lint/suspicious/noExplicitAny: the tests look into whatever was sent
export type Told = { type: string; timestamp: string; data: any };

const desk = () => env.ALERT_DESK.getByName(ALERT_DESK_NAME);
/** From this moment on the desk has a webhook, and nothing that it was told before. */
export async function openReceiver() {
  await forgetAll();
  await rebind(desk(), SETTINGS);
  const told: Told[] = [];
  const real = globalThis.fetch;
  let takes = (_type: string): boolean => true;
  const spy = vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    if (new URL(request.url).host !== HOST) return real(input, init);
    expect(request.redirect).toBe("manual");
    const body = await request.text();
    const message = new Webhook(SECRET).verify(body, Object.fromEntries(request.headers)) as Told;
    if (!takes(message.type)) return new Response(null, { status: 503 });
    told.push(message);
    return new Response(null, { status: 204 });
  });
  return {
    told,
    /** Which types of messages are taken from now on. */
    setUp: (next: (type: string) => boolean) => {
      takes = next;
    },
    /** The desk's other variables. */
    configure: (vars: Record<string, unknown>) => rebind(desk(), { ...SETTINGS, ...vars }),
    /** What has been told by the time that the desk has nothing more to send. */
    async hear(): Promise<Told[]> {
      await runDurableObjectAlarm(desk());
      return told;
    },
    async close(): Promise<void> {
      spy.mockRestore();
      await forgetAll();
      await rebind(desk());
    },
  };
}

/** What the desk keeps, but for its alarm, of which it knows. */
async function forgetAll(): Promise<void> {
  await runInDurableObject(desk(), (_object, { storage }) => {
    applyTables(storage, ALERT_DESK_TABLES);
    for (const table of ["seen", "windows", "messages", "delivery", "health", "compared"])
      storage.sql.exec(`DELETE FROM ${table}`);
  });
}
