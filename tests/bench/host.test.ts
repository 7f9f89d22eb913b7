/** A bench that does not start measures nothing: every Worker of a run answers. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Host, startHost } from "./host.ts";

let host: Host;
beforeAll(async () => {
  host = await startHost();
});
afterAll(() => host.stop());

it("every Worker of a run answers, with the tables that it needs", async () => {
  const { floors, ...services } = host.origins;
  for (const origin of Object.values(services)) {
    const answer = await fetch(`${origin}/api/health`, { headers: { "CF-Connecting-IP": "192.0.2.1" } });
    expect(await answer.json()).toMatchObject({ status: "healthy" });
  }
  expect((await fetch(`${floors}/empty`)).status).toBe(200);
});
