/** Accounts that wrong passwords have locked, as tests need them. */
import { asTokenId } from "../../schema/ids.ts";
import { type Answer, type SignedIn, signIn, unique } from "./client.ts";
import { passSeconds } from "./clock.ts";
import { objectOf } from "./mail.ts";

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

/** Attempts at the user's password that nobody has settled yet: nothing is hashed. Throws if one is refused. */
export async function reserve(user: SignedIn, count: number) {
  const attempts = Array.from({ length: count }, () => {
    const ticket = asTokenId(unique("t").padEnd(22, "A").slice(-22));
    if (ticket === null) throw new Error("no ticket");
    const client = { ip: "203.0.113.7", country: null, userAgent: null };
    return { ticket, track: "strangers" as const, userId: user.id, client, requestId: ticket };
  });
  for (const attempt of attempts) {
    const { kind } = await objectOf(user).reserveAttempt(attempt);
    if (kind !== "reserved") throw new Error("refused");
  }
  return attempts;
}

/** Failures too far apart to lock. */
export async function failSparsely(user: SignedIn, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    for (const attempt of await reserve(user, 1))
      await objectOf(user).settleAttempt({ ...attempt, outcome: "failure" });
    passSeconds(300);
  }
}
