/** The mail of the service, as `GET /dev/outbox` shows it, once what is on its way has arrived. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { base64url } from "jose";
import { readConfig } from "../../schema/config.ts";
import { emailKey } from "../../schema/identity.ts";
import { keyedHash } from "../../worker/tokens/refresh-key.ts";
import { type Answer, ask, type SignedIn, uniqueAddress } from "./client.ts";

const TRIES = 400;
const PAUSE_MS = 50;

export type Mailed = { to: string; subject: string; text: string; html: string; created_at: string };

/** What was mailed to the address so far, newest first. */
export async function outbox(to: string): Promise<Mailed[]> {
  const { body } = await ask(`/dev/outbox?to=${encodeURIComponent(to)}`);
  return body.messages;
}

/** The same, as soon as there are `count` of this subject or more; fewer if they do not come. */
export async function mailed(to: string, subject: RegExp, count = 1): Promise<Mailed[]> {
  for (let i = 0; ; i += 1) {
    const found = (await outbox(to)).filter((one) => subject.test(one.subject));
    if (found.length >= count || i === TRIES) return found;
    await pause();
  }
}

/** The token in a message's link. */
export function tokenIn(message: Mailed | undefined): string {
  const [, token] = /#token=([A-Za-z0-9_-]{43})\s/.exec(message?.text ?? "") ?? [];
  if (token === undefined) throw new Error("no link was mailed");
  return token;
}

export const RESET = /^Reset your password$/;
export const VERIFY = /^Confirm your email/;
export const UNLOCK = /locked/;

export function askForReset(email: unknown, address = uniqueAddress()): Promise<Answer> {
  return ask("/api/accounts/password/reset", { body: { email }, address });
}

export function confirmReset(
  token: unknown,
  new_password: unknown,
  address = uniqueAddress(),
): Promise<Answer> {
  return ask("/api/accounts/password/reset/confirm", { body: { token, new_password }, address });
}

/** Asks for a reset and waits for its link. */
export async function resetToken(email: string): Promise<string> {
  const before = (await outbox(email)).filter(({ subject }) => RESET.test(subject)).length;
  await askForReset(email);
  return tokenIn((await mailed(email, RESET, before + 1))[0]);
}

export const objectOf = (user: Pick<SignedIn, "id">) => env.USER_AUTHORITY.getByName(String(user.id));

/** The object of an address, whether an account holds it or not. */
export async function addressObject(email: string): Promise<DurableObjectStub> {
  const reading = readConfig(env);
  if (reading.kind === "wrong") throw new Error("the settings are wrong");
  const key = base64url.encode(await keyedHash(reading.config, "address", emailKey(email)));
  return env.USER_AUTHORITY.getByName(`email:${key}`);
}

/** Runs the object's alarm: it hands over what is due. */
export async function handOver(stub: DurableObjectStub): Promise<void> {
  await runDurableObjectAlarm(stub);
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
