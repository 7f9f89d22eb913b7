/** Users with a second factor, as tests need them. */
import { askAs } from "./admin.ts";
import { type Answer, ask, PASSWORD, register, type SignedIn, uniqueAddress } from "./client.ts";
import { codeOf } from "./totp.ts";

export const PATH = "/api/accounts/mfa/totp";

export type Protected = SignedIn & { secret: string; recovery: string[] };

/** Enrols and activates; uses up the code of the step before this one, so that this one's is still good. */
export async function protect(user: SignedIn): Promise<Protected> {
  const enrolled = await askAs(user, PATH, { method: "POST" });
  const { secret } = enrolled.body;
  const activated = await askAs(user, `${PATH}/activate`, { body: { code: codeOf(secret, -1) } });
  if (activated.status !== 200) throw new Error(`not active: ${activated.status} ${activated.text}`);
  return { ...user, secret, recovery: activated.body.recovery_codes };
}

/** A new account with a second factor, signed in by its password alone before it had one. */
export async function registerProtected(prefix?: string): Promise<Protected> {
  return protect(await register(prefix));
}

/** The first step of a login. */
export function firstStep(user: { username: string }, extra: Record<string, unknown> = {}): Promise<Answer> {
  const body = { username: user.username, password: PASSWORD, ...extra };
  return ask("/api/accounts/login", { body, address: uniqueAddress() });
}

/** What the first step answers for the second. */
export async function mfaTokenOf(
  user: { username: string },
  extra?: Record<string, unknown>,
): Promise<string> {
  const { status, text, body } = await firstStep(user, extra);
  if (body?.code !== "mfa_required") throw new Error(`no second step: ${status} ${text}`);
  return body.mfa_token;
}

/** The second step of a login. */
export function secondStep(
  mfa_token: string,
  code: unknown,
  extra: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = { mfa_token, code, ...extra };
  return ask("/api/accounts/login/mfa", { body, headers, address: uniqueAddress() });
}
