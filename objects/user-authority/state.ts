/**
 * The only SQL of `UserAuthority`. Rows in, rows out; it decides nothing and knows no time.
 * Must be called inside the turn of a command, with no await between a read and its write.
 */
import { assert } from "../../schema/assert.ts";
import { asUserId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { EndReason, ReuseVerdict } from "../../schema/user-authority.ts";
import type { Account, Family } from "./family.ts";
import { asFamily, type FamilyRow, known } from "./family-row.ts";

type AccountRow = {
  user_id: number;
  username: string;
  email: string | null;
  role: string;
  is_active: number;
  version: number;
  epoch: number;
  epoch_history: string;
  revoked_before: number;
  erased_at: number | null;
};

/** `isLive` as SQL. */
const LIVE = "ended_at IS NULL AND epoch >= ? AND auth_time >= ? AND expires_at > ?";

export class UserAuthorityState {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  account(): Account | null {
    const [row] = this.#sql.exec<AccountRow>("SELECT * FROM account").toArray();
    if (row === undefined) return null;
    return {
      user: {
        id: known(asUserId(row.user_id)),
        username: row.username,
        email: row.email,
        role: row.role,
        isActive: row.is_active === 1,
        version: row.version,
      },
      epoch: row.epoch,
      revokedBefore: row.revoked_before,
      erasedAt: row.erased_at,
      epochHistory: (JSON.parse(row.epoch_history) as [number, number, EndReason][]).map(
        ([epoch, at, reason]) => ({ epoch, at, reason }),
      ),
    };
  }

  /** When state or epoch last changed. 0 where there is no account: an object that only counts guesses at a name. */
  accountChangedAt(): NumericDate {
    const [row] = this.#sql
      .exec<{ at: number }>("SELECT max(epoch_moved_at, heard_at) AS at FROM account")
      .toArray();
    return row?.at ?? 0;
  }

  /** Writes the account as a login or news brings it. Costs a row only when something is new. */
  putAccount(account: Account, now: NumericDate): void {
    const { user, epoch, revokedBefore, epochHistory } = account;
    this.#sql.exec(
      `INSERT INTO account
         (one, user_id, username, email, role, is_active, version, revoked_before, epoch, epoch_history,
          epoch_moved_at, heard_at)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (one) DO UPDATE SET username = excluded.username, email = excluded.email,
         role = excluded.role, is_active = excluded.is_active, version = excluded.version,
         heard_at = excluded.heard_at,
         revoked_before = max(revoked_before, excluded.revoked_before)
       WHERE (username, email, role, is_active, version) IS NOT
           (excluded.username, excluded.email, excluded.role, excluded.is_active, excluded.version)
         OR revoked_before < excluded.revoked_before`,
      user.id,
      user.username,
      user.email,
      user.role,
      user.isActive ? 1 : 0,
      user.version,
      revokedBefore,
      epoch,
      asText(epochHistory),
      now,
      now,
    );
  }

  moveEpoch(account: Account, now: NumericDate): void {
    this.#sql.exec(
      "UPDATE account SET epoch = ?, epoch_moved_at = ?, epoch_history = ? WHERE epoch < ?",
      account.epoch,
      now,
      asText(account.epochHistory),
      account.epoch,
    );
  }

  /**
   * Leaves of the user a tombstone, and what is still to be told to the world. Whatever table a
   * later step adds is emptied, too.
   */
  erase(account: Account, now: NumericDate): void {
    const tables = this.#sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_*'")
      .toArray();
    for (const { name } of tables) if (name !== "outbox") this.#sql.exec(`DELETE FROM ${name}`);
    this.putAccount(account, now);
    this.#sql.exec("UPDATE account SET erased_at = ?", account.erasedAt);
  }

  /** Remembers the global epoch, so that it holds here whatever a later edge knows of it. */
  putEra(revokedBefore: NumericDate): void {
    this.#sql.exec(
      "UPDATE account SET revoked_before = ? WHERE revoked_before < ?",
      revokedBefore,
      revokedBefore,
    );
  }

  family(sid: string): Family | null {
    const [row] = this.#sql.exec<FamilyRow>("SELECT * FROM families WHERE sid = ?", sid).toArray();
    return row === undefined ? null : asFamily(row);
  }

  /** All that are kept, ended ones too: for the alarm. */
  families(): Family[] {
    return this.#sql.exec<FamilyRow>("SELECT * FROM families").toArray().map(asFamily);
  }

  /** The live ones, most recently used first: at most as many as the session cap. */
  liveFamilies({ epoch, revokedBefore }: Account, now: NumericDate): Family[] {
    return this.#sql
      .exec<FamilyRow>(
        `SELECT * FROM families WHERE ${LIVE} ORDER BY issued_at DESC, created_at DESC`,
        epoch,
        revokedBefore,
        now,
      )
      .toArray()
      .map(asFamily);
  }

  /** How many are live, without reading one of them out. */
  liveCount({ epoch, revokedBefore }: Account, now: NumericDate): number {
    return this.#sql
      .exec<{ n: number }>(`SELECT count(*) AS n FROM families WHERE ${LIVE}`, epoch, revokedBefore, now)
      .one().n;
  }

  /** Whether a session of this epoch idled out after `since`, which nothing but its tokens' own end denies. */
  hasIdledSince({ epoch, revokedBefore }: Account, since: NumericDate): boolean {
    return (
      this.#sql.exec(`SELECT 1 FROM families WHERE ${LIVE} LIMIT 1`, epoch, revokedBefore, since).toArray()
        .length > 0
    );
  }

  insertFamily(family: Family): void {
    this.#sql.exec(
      `INSERT INTO families (sid, epoch, generation, token_id, issued_at, expires_at, previous_token_id,
         replaced_at_ms, client_key, created_at, absolute_expires_at, auth_time, amr, ip, country, user_agent,
         device_name)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      family.sid,
      family.epoch,
      family.generation,
      family.tokenId,
      family.issuedAt,
      family.expiresAt,
      family.previous?.tokenId ?? null,
      family.previous?.replacedAtMs ?? null,
      family.clientKey,
      family.createdAt,
      family.absoluteExpiresAt,
      family.authTime,
      JSON.stringify(family.amr),
      family.client.ip,
      family.client.country,
      family.client.userAgent,
      family.deviceName,
    );
  }

  /** The one row that a refresh writes. What a rotation must not touch is not in the statement. */
  rotateFamily(family: Family): void {
    const written = this.#sql.exec(
      `UPDATE families SET generation = ?, token_id = ?, issued_at = ?, expires_at = ?, previous_token_id = ?,
         replaced_at_ms = ?, client_key = ?, ip = ?, country = ?, user_agent = ?, history = ?
       WHERE sid = ? AND generation = ? AND ended_at IS NULL`,
      family.generation,
      family.tokenId,
      family.issuedAt,
      family.expiresAt,
      family.previous?.tokenId ?? null,
      family.previous?.replacedAtMs ?? null,
      family.clientKey,
      family.client.ip,
      family.client.country,
      family.client.userAgent,
      JSON.stringify(family.history.map(({ at, clientChanged }) => [at, clientChanged ? 1 : 0])),
      family.sid,
      family.generation - 1,
    );
    assert(written.rowsWritten === 1, "a rotation writes the row that was decided on");
  }

  /** Lets a family go on under an epoch that has moved. What has ended stays so. */
  carryFamily({ sid, epoch }: Family): void {
    this.#sql.exec("UPDATE families SET epoch = ? WHERE sid = ? AND ended_at IS NULL", epoch, sid);
  }

  endFamily(sid: string, reason: EndReason, verdict: ReuseVerdict | null, now: NumericDate): void {
    this.#sql.exec(
      "UPDATE families SET ended_at = ?, end_reason = ?, verdict = ? WHERE sid = ? AND ended_at IS NULL",
      now,
      reason,
      verdict === null ? null : JSON.stringify(verdict),
      sid,
    );
  }

  deleteFamily(sid: string): void {
    this.#sql.exec("DELETE FROM families WHERE sid = ?", sid);
  }

  /** Families that ended one by one since `since`: the ones that KV must name. */
  endedSince(since: NumericDate): { sid: string; endedAt: NumericDate }[] {
    return this.#sql
      .exec<{ sid: string; endedAt: number }>(
        "SELECT sid, ended_at AS endedAt FROM families WHERE ended_at > ?",
        since,
      )
      .toArray();
  }
}

function asText(epochHistory: Account["epochHistory"]): string {
  return JSON.stringify(epochHistory.map(({ epoch, at, reason }) => [epoch, at, reason]));
}
