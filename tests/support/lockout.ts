/** Accounts that wrong passwords have locked, as tests need them. */
import { type Answer, signIn } from "./client.ts";

/** A wrong password. */
export function wrong(username: string, headers?: Record<string, string>): Promise<Answer> {
  return signIn(username, "not this one", headers);
}

/** Five wrong passwords; throws unless they lock the account, or the name that nobody has. */
export async function lock({ username }: { username: string }): Promise<void> {
  for (let i = 0; i < 5; i += 1) {
    const { status, text } = await wrong(username);
    if (status !== 401) throw new Error(`no wrong password: ${status} ${text}`);
  }
  const { body, text } = await wrong(username);
  if (body.code !== "account_locked") throw new Error(`not locked: ${text}`);
}
