/** Asking a signed-in user for the password once more, through the gate of every guess. */
import { type UserRow, userState } from "../schema/users.ts";
import { deviceOf, trackOf } from "./auth/device.ts";
import { reach, userAuthority } from "./authorities.ts";
import type { AppContext } from "./context.ts";
import { guess, wrongPassword } from "./guess.ts";
import { Refusal } from "./http/problems.ts";
import { verifyPassword } from "./passwords/registry.ts";

/**
 * Returns if the password is the user's; throws 401, or 429 while guessing is locked (LCK-06). With a
 * second factor it clears no count, as at a login: whoever has a session and the password could
 * otherwise guess at codes for ever (LCK-07).
 */
export async function provePassword(c: AppContext, user: UserRow, password: string): Promise<void> {
  const { id: userId, username } = userState(user);
  const track = trackOf(await deviceOf(c), user);
  const { client, requestId } = c.get("facts");
  const proven = await guess(c, { userId, typed: username, track }, async (attempt) => {
    const { matches } = await verifyPassword(password, user.password_hash);
    if (!matches) return wrongPassword(user.password_hash);
    if (user.is_active !== 1) return "inactive";
    const outcome = user.has_second_factor === 1 ? ("not_tried" as const) : ("success" as const);
    const command = { ...attempt, outcome, userId, client, requestId };
    await reach("user_authority", () => userAuthority(c.env, userId).settleAttempt(command));
    return attempt;
  });
  if (proven === null) throw new Refusal("invalid_credentials");
}
