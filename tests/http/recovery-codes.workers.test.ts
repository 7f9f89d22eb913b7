/** A recovery code is used up by exactly the session that it opens (ASVS 6.5.2): one transaction of the user's object. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it } from "vitest";
import { askAs } from "../support/admin.ts";
import { delivered } from "../support/audit.ts";
import { PASSWORD, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith, down, failing, rebind } from "../support/faults.ts";
import { mailed, objectOf } from "../support/mail.ts";
import { mfaTokenOf, PATH, type Protected, registerProtected, secondStep } from "../support/mfa.ts";

afterEach(stopClock);

const WRONG = { status: 401, body: { code: "invalid_mfa_code" } };

const offered = async ({ id }: Protected): Promise<number> => {
  const query = "SELECT json_array_length(recovery_digests) AS n FROM totp WHERE user_id = ?";
  return (await env.DB.prepare(query).bind(id).first<{ n: number }>())?.n ?? 0;
};
/** What the object knows of used codes, as JSON. */
const stateOf = (user: Protected): Promise<string> =>
  runInDurableObject(objectOf(user), (_object, { storage: { sql } }) => {
    return sql.exec<{ state: string }>("SELECT state FROM used_codes").toArray()[0]?.state ?? "";
  });
const secondStepWith = (overrides: Record<string, unknown>, mfa_token: string, code: string | undefined) =>
  askWith(overrides, "/api/accounts/login/mfa", {
    method: "POST",
    body: JSON.stringify({ mfa_token, code }),
    headers: { "CF-Connecting-IP": uniqueAddress() },
  });

it("an outage before the session leaves the code good; with the session it is used up", async () => {
  const user = await registerProtected();
  const [code] = user.recovery;
  const lost = await secondStepWith({ USER_AUTHORITY: failing("openSession") }, await mfaTokenOf(user), code);
  expect(lost).toMatchObject({ status: 503, body: { code: "unavailable" } });
  expect((await secondStep(await mfaTokenOf(user), code)).status).toBe(200);
  expect(await secondStep(await mfaTokenOf(user), code)).toMatchObject(WRONG);
});

it("is not taken twice, whether D1 has heard of it or not, and D1 hears of it", async () => {
  const user = await registerProtected();
  const [code] = user.recovery;
  expect((await secondStep(await mfaTokenOf(user), code)).status).toBe(200);
  await evictDurableObject(objectOf(user));
  expect(await secondStep(await mfaTokenOf(user), code)).toMatchObject(WRONG);
  await delivered(objectOf(user));
  expect(await offered(user)).toBe(9);
  expect(await secondStep(await mfaTokenOf(user), code)).toMatchObject(WRONG);
});

it("a request that read D1 before it heard is refused by the object, which remembers for ten minutes more", async () => {
  const user = await registerProtected();
  const [code] = user.recovery;
  const before = await env.DB.prepare("SELECT recovery_digests FROM totp WHERE user_id = ?")
    .bind(user.id)
    .first<{ recovery_digests: string }>();
  const putBack = () =>
    env.DB.prepare("UPDATE totp SET recovery_digests = ? WHERE user_id = ?")
      .bind(before?.recovery_digests ?? "", user.id)
      .run();
  expect((await secondStep(await mfaTokenOf(user), code)).status).toBe(200);
  await delivered(objectOf(user));
  await putBack();
  expect(await secondStep(await mfaTokenOf(user), code)).toMatchObject(WRONG);
  passSeconds(1300);
  await runDurableObjectAlarm(objectOf(user));
  expect(await stateOf(user), "and then forgets").not.toContain("removedAt");
});

it("DUR-04: while D1 is down the object keeps what it has to tell", async () => {
  const user = await registerProtected();
  expect((await secondStep(await mfaTokenOf(user), user.recovery[0])).status).toBe(200);
  const stub = objectOf(user);
  await rebind(stub, { DB: down() });
  await runDurableObjectAlarm(stub);
  expect(await stateOf(user)).toContain('"removedAt":null');
  await rebind(stub);
  await delivered(objectOf(user));
  expect(await offered(user)).toBe(9);
});

it("a code that took the factor off, or deleted the account, opens no session beside it", async () => {
  const user = await registerProtected();
  const [code] = user.recovery;
  const token = await mfaTokenOf(user);
  const disable = askAs(user, PATH, { method: "DELETE", body: { password: PASSWORD, code } });
  const answers = await Promise.all([disable, ...Array.from({ length: 4 }, () => secondStep(token, code))]);
  expect(answers.filter(({ status }) => status === 200 || status === 204)).toHaveLength(1);
});

it("the owner is told by mail of each", async () => {
  const user = await registerProtected();
  for (const code of user.recovery.slice(0, 2)) {
    expect((await secondStep(await mfaTokenOf(user), code)).status).toBe(200);
  }
  const told = await mailed(user.email, /^A recovery code was used/, 2);
  expect(told).toHaveLength(2);
  expect(told[0]?.text).not.toContain(user.recovery[0]);
});
