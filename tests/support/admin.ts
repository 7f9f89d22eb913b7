/** Admins and the operator, as tests need them. */
import { env } from "cloudflare:workers";
import { trail } from "./audit.ts";
import { type Answer, type Ask, ask, login, register, type SignedIn, uniqueAddress } from "./client.ts";

/** One request as the operator. */
export function asOperator(path: string, options: Ask = {}): Promise<Answer> {
  return ask(path, { address: uniqueAddress(), token: env.ADMIN_TOKEN, ...options });
}

/** A new account with this role, signed in as such. */
export async function registerAs(role: string): Promise<SignedIn> {
  const user = await register(role);
  const answer = await asOperator(`/api/admin/users/${user.id}`, { method: "PATCH", body: { role } });
  if (answer.status !== 200) throw new Error(`no ${role}: ${answer.status} ${answer.text}`);
  return login(user);
}

/** One request with a user's access token, from an address of its own. */
export function askAs(user: Pick<SignedIn, "access">, path: string, options: Ask = {}): Promise<Answer> {
  return ask(path, { token: user.access, address: uniqueAddress(), ...options });
}

/** Events of a user, as the trail has them once `count` have arrived. */
export async function eventsAbout(id: number, type: string, count = 1) {
  const rows = await trail("user_id = ? AND type = ?", [id, type], count);
  return rows.map(({ reason, details }) => ({ reason, details: JSON.parse(String(details)) }));
}
