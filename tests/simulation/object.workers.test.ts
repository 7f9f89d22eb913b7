import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import { readConfig } from "../../schema/config.ts";
import { asUserId } from "../../schema/ids.ts";
import type { UserState } from "../../schema/user-authority.ts";
import { stopClock } from "../support/clock.ts";
import { logoutCommand, openCommand, refreshCommand } from "./commands.ts";
import { isSameToken, type Token, tokenOf } from "./ledger.ts";
import { Ids, Prng } from "./prng.ts";
import { RealObject } from "./real-object.ts";
import { runSchedules, seedFromClock } from "./run.ts";

const SCHEDULES = 40;
const STEPS_MAX = 160;
const RACES = 20;
/** No other test's users are here. */
const USER_IDS_FROM = 1_000_000_000;

const seed = seedFromClock();
const userIdsFrom = USER_IDS_FROM + seed * (SCHEDULES + RACES);

afterEach(stopClock);

/** The settings of the object under test, and nothing secret: they are printed when a schedule fails. */
function policy(): SessionPolicy {
  const reading = readConfig(env);
  if (reading.kind === "wrong") throw new Error(JSON.stringify(reading.problems));
  const { refreshTokenTtlSeconds, sessionMaxAgeSeconds, refreshGraceSeconds } = reading.config;
  const { refreshGraceSameClientSeconds, sessionsPerUserMax, accessTokenTtlSeconds } = reading.config;
  const lifetimes = { refreshTokenTtlSeconds, sessionMaxAgeSeconds, accessTokenTtlSeconds };
  const { compatSimplejwt } = reading.config;
  const graces = { refreshGraceSeconds, refreshGraceSameClientSeconds };
  return { ...lifetimes, ...graces, sessionsPerUserMax, compatSimplejwt };
}

describe("the object itself, with concurrent calls and real evictions", () => {
  it(`keeps every invariant of the simulation (seed ${seed})`, { timeout: 300_000 }, async () => {
    const trace: string[] = [];
    const open = (userId: number) => {
      trace.length = 0;
      stopClock();
      return new RealObject(userId);
    };
    const summary = await runSchedules({
      seed,
      schedules: SCHEDULES,
      stepsMax: STEPS_MAX,
      failuresMax: 1,
      trace: (line) => trace.push(line),
      object: { policy: policy(), open, userId: userIdsFrom },
    });
    expect(summary.failures, trace.join("\n")).toEqual([]);
    expect(summary.rotations).toBeGreaterThan(SCHEDULES);
    expect(summary.repeats).toBeGreaterThan(SCHEDULES / 4);
  });

  it(`a logout among refreshes is before or after each of them, and last (seed ${seed})`, async () => {
    const prng = new Prng(seed);
    for (let race = 1; race <= RACES; race += 1) {
      const userId = userIdsFrom + SCHEDULES + race;
      const object = new RealObject(userId);
      const ids = new Ids(race);
      const from = { clientKey: "owner", revokedBefore: 0 };
      const session = { sid: ids.session(), tokenId: ids.token() };
      const opened = await object.openSession(openCommand(userOf(userId), session, from));
      if (opened.kind === "denied") throw new Error(opened.reason);
      const first = tokenOf(opened.grant);

      const present = (token: Token, times: number) =>
        object.refresh(
          Array.from({ length: times }, () =>
            refreshCommand(token, { ...from, successor: ids.token(), inFlight: times }),
          ),
        );
      const logout = logoutCommand({ sid: first.sid, ep: null }, { kind: "all" }, 0);
      const [before, ended, after] = await Promise.all([
        present(first, prng.int(0, 5)),
        object.revoke(logout),
        present(first, prng.int(0, 5)),
      ]);
      expect(ended.kind).toBe("revoked");

      const successors: Token[] = [];
      for (const { answer } of [...before, ...after]) {
        if (answer.kind === "denied") expect(answer.reason).toBe("revoked");
        else successors.push(tokenOf(answer.grant));
      }
      for (const successor of successors) expect(isSameToken(successor, successors[0] ?? first)).toBe(true);
      await object.evict();
      for (const token of [first, ...successors]) {
        expect(await present(token, 1)).toMatchObject([{ answer: { kind: "denied", reason: "revoked" } }]);
      }
    }
  });
});

function userOf(userId: number): UserState {
  const id = asUserId(userId);
  if (id === null) throw new Error("not a user id");
  return { id, username: "owner", email: null, role: "user", isActive: true, version: 1 };
}
