/** Used recovery codes, which D1 is not to offer any more: the object has decided that they were used. */

/** Takes these digests out of the user's enrolment, if it is still there. May be repeated. One row written at most. */
export async function removeRecoveryCodes(
  db: D1Database,
  userId: number,
  digests: readonly string[],
): Promise<void> {
  const isUsed = "value IN (SELECT value FROM json_each(?2))";
  await db
    .prepare(
      `UPDATE totp SET recovery_digests =
         (SELECT json_group_array(value) FROM json_each(totp.recovery_digests) WHERE NOT ${isUsed})
       WHERE user_id = ?1 AND EXISTS (SELECT 1 FROM json_each(totp.recovery_digests) WHERE ${isUsed})`,
    )
    .bind(userId, JSON.stringify(digests))
    .run();
}
