/**
 * The Worker's part, as far as decisions need it: it refuses an expired token, makes the commands
 * and proposes successors. Every answer passes by the judge.
 */
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import { asUserId, type UserId } from "../../schema/ids.ts";
import { type NumericDate, toNumericDate } from "../../schema/time.ts";
import type { SessionGrant, UserState } from "../../schema/user-authority.ts";
import type { Authority } from "./authority.ts";
import type { SignedIn } from "./clients.ts";
import { logoutCommand, openCommand, refreshCommand } from "./commands.ts";
import { Judge } from "./judge.ts";
import { name, tokenOf } from "./ledger.ts";
import type { LoggingOut, Network, Note, Refreshing, SigningIn } from "./network.ts";
import type { Decisions } from "./object-model.ts";
import { Ids, type Prng } from "./prng.ts";

export type EdgeOptions = {
  seed: number;
  prng: Prng;
  policy: SessionPolicy;
  userId: number;
  nowMs: number;
  authority: Authority;
  probed: Decisions;
  note: Note;
};

/** An edge that cannot ask after the global epoch, or asked before it moved. */
const UNAWARE = 0.1;

export class Edge {
  readonly judge: Judge;
  readonly note: Note;
  /** As D1 has the user. */
  user: UserState;
  nowMs: number;
  readonly #prng: Prng;
  readonly #ids: Ids;
  readonly #authority: Authority;
  #revokedBefore: NumericDate = 0;

  constructor({ seed, prng, policy, userId, nowMs, authority, probed, note }: EdgeOptions) {
    this.#prng = prng;
    this.#authority = authority;
    this.#ids = new Ids(seed);
    this.judge = new Judge(policy, { decide: probed.decideRefresh, successor: this.#ids.token() });
    this.note = note;
    const id = known(asUserId(userId));
    this.user = { id, username: "owner", email: null, role: "user", isActive: true, version: 1 };
    this.nowMs = nowMs;
    authority.setClock(nowMs);
  }

  setClock(nowMs: number): void {
    if (nowMs === this.nowMs) return;
    this.note(() => `clock: ${nowMs - this.nowMs} ms`);
    this.nowMs = nowMs;
    this.#authority.setClock(nowMs);
  }

  /** All at once. */
  async refresh(arriving: readonly Refreshing[], network: Network): Promise<void> {
    const now = toNumericDate(this.nowMs);
    const expired = arriving.filter(({ token }) => token.exp <= now);
    for (const request of expired) {
      this.note(() => `edge: ${name(request.token)} has expired`);
      this.judge.turnedAway(request, this.nowMs);
      network.answer(request, null);
    }
    const authentic = arriving.filter(({ token }) => token.exp > now);
    const revokedBefore = this.#era();
    const commands = authentic.map(({ token, clientKey }) => {
      const successor = this.#ids.token();
      return refreshCommand(token, { successor, clientKey, revokedBefore, inFlight: authentic.length });
    });
    for (const { index, answer } of await this.#authority.refresh(commands)) {
      const request = authentic[index];
      if (request === undefined) throw new Error("an answer to nothing");
      this.note(() => `object: ${name(request.token)} as ${request.clientKey}: ${said(answer)}`);
      this.judge.presented(request, answer, revokedBefore, this.nowMs);
      network.answer(request, answer.kind === "denied" ? null : signedIn(answer.grant));
    }
    await this.#stepped();
  }

  async login({ browser, user }: SigningIn): Promise<void> {
    const ids = { sid: this.#ids.session(), tokenId: this.#ids.token() };
    const from = { clientKey: browser.clientKey, revokedBefore: this.#era() };
    const command = openCommand(user, ids, from);
    const answer = await this.#authority.openSession(command);
    this.note(() => `object: login of ${browser.label}: ${said(answer)}`);
    this.judge.opened(command, answer, await this.#authority.snapshot(), this.nowMs);
    browser.signedIn(answer.kind === "denied" ? null : signedIn(answer.grant));
    await this.#stepped();
  }

  async logout({ browser, by, scope }: LoggingOut): Promise<void> {
    const command = logoutCommand(by, scope, this.#era());
    const answer = await this.#authority.revoke(command);
    this.note(() => `object: logout ${scope.kind} of ${browser.label}: ${said(answer)}`);
    this.judge.revoked(command, answer, this.nowMs);
    await this.#stepped();
  }

  /** A change in D1, and the object hears of it. */
  async setActive(isActive: boolean): Promise<void> {
    this.note(() => (isActive ? "the user is reactivated" : "the user is deactivated"));
    this.user = { ...this.user, isActive, version: this.user.version + 1 };
    this.judge.ledger.isActive = isActive;
    await this.#authority.userChanged(this.user);
    await this.#stepped();
  }

  /** An incident: every session of everyone that began until now. The object hears of it with a command. */
  revokeEveryone(): void {
    this.#revokedBefore = Math.max(this.#revokedBefore, toNumericDate(this.nowMs) + 1);
    this.note(() => `everyone is revoked before ${this.#revokedBefore}`);
  }

  async alarm(): Promise<void> {
    this.note(() => "alarm");
    await this.#authority.alarm();
    await this.#stepped();
  }

  async evict(): Promise<void> {
    this.note(() => "the object is evicted");
    await this.#authority.evict();
    this.judge.evicted(await this.#authority.snapshot(), this.nowMs);
  }

  #era(): NumericDate {
    return this.#prng.chance(UNAWARE) ? 0 : this.#revokedBefore;
  }

  async #stepped(): Promise<void> {
    this.judge.stepped(await this.#authority.snapshot(), this.nowMs);
  }
}

function signedIn(grant: SessionGrant): SignedIn {
  return { token: tokenOf(grant), ep: grant.epoch };
}

function said(answer: { kind: string; reason?: string; grant?: SessionGrant }): string {
  if (answer.grant !== undefined) return `${answer.kind} ${name(tokenOf(answer.grant))}`;
  return answer.reason ?? answer.kind;
}

function known(id: UserId | null): UserId {
  if (id === null) throw new Error("not a user id");
  return id;
}
