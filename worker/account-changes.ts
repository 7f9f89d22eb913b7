/**
 * Changing what an account is proven by, in three steps that nothing can tear apart: the user's
 * object is told that D1 will be asked, D1 decides, the object hears of it and ends what must end.
 * Whatever dies in between, the object looks for itself (`objects/README.md`).
 */
import { assert } from "../schema/assert.ts";
import type { NoticeKind } from "../schema/mail.ts";
import type { Change, EndReason, HearOfUserAnswer } from "../schema/user-authority.ts";
import { type UserRow, userState } from "../schema/users.ts";
import { reach, userAuthority } from "./authorities.ts";
import type { AppContext } from "./context.ts";
import { newTokenId } from "./entropy.ts";
import { revokedBefore } from "./era.ts";
import { noteDenial } from "./user-cache.ts";

/** What a session that ends with the change says; the last two end none. */
const REASONS: Record<Change["type"], EndReason> = {
  password_reset: "password_reset",
  password_changed: "password_changed",
  email_changed: "email_changed",
  mfa_enabled: "ended_by_owner",
  mfa_disabled: "ended_by_owner",
};

type Wish = Pick<Change, "type" | "sessions" | "by" | "unlocks"> & {
  /** By which means, where there are several: for the trail. */
  note?: string;
  /** What the owner is told, at the address from before the change. */
  notice: NoticeKind;
  /** The change itself, from exactly the user that was read: the user as it is then, or null. */
  make: () => Promise<UserRow | null>;
};

/** Two object calls. Null if the user is no longer what was read, and then nothing was changed. */
export async function changeAccount(
  c: AppContext,
  user: UserRow,
  { type, notice, note, make, ...wish }: Wish,
): Promise<{ user: UserRow; answer: HearOfUserAnswer } | null> {
  const { client, requestId, now } = c.get("facts");
  const { id: userId, version, email } = userState(user);
  const object = userAuthority(c.env, userId);
  const origin = { client, requestId, revokedBefore: await revokedBefore(c.env, c.executionCtx) };
  const id = newTokenId();
  const mails =
    email === null ? [] : [{ id: newTokenId(), mail: { kind: notice, userId, to: email, at: now } }];
  const reason = REASONS[type];
  const change = { ...origin, ...wish, id, userId, version, type, reason, note: note ?? null, mails };
  const begun = await reach("user_authority", () => object.beginChange(change));
  if (begun.kind === "stale") return null;
  const changed = await make();
  if (changed === null) return null;
  assert(changed.version > version, "what a session must hear of moves the version");
  const command = { ...origin, id, user: userState(changed) };
  const answer = await reach("user_authority", () => object.endChange(command));
  noteDenial(userId, answer.denial);
  return { user: changed, answer };
}
