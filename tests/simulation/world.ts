/**
 * The world around one user's authority: browsers and thieves, the network between, the edge and
 * its clock. Each method is one thing that can happen; `schedule.ts` chooses.
 */
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import type { RevocationScope } from "../../schema/user-authority.ts";
import { Browser, type Presenter, type Tab, Thief } from "./clients.ts";
import { Edge, type EdgeOptions } from "./edge.ts";
import type { Judge } from "./judge.ts";
import { name, type Token } from "./ledger.ts";
import { Network, type Refreshing } from "./network.ts";
import type { Prng } from "./prng.ts";

const BROWSERS_MAX = 3;
const TABS_MAX = 6;
const THIEVES_MAX = 2;

export class World {
  readonly seed: number;
  readonly prng: Prng;
  readonly policy: SessionPolicy;
  readonly edge: Edge;
  readonly judge: Judge;
  readonly network: Network;
  readonly browsers: readonly Browser[];
  /** Those not yet turned away. */
  thieves: Thief[] = [];
  #clients = 0;

  constructor(options: EdgeOptions) {
    const { seed, prng, policy, note } = options;
    this.seed = seed;
    this.prng = prng;
    this.policy = policy;
    this.edge = new Edge(options);
    this.judge = this.edge.judge;
    this.network = new Network(prng, note);
    this.browsers = Array.from({ length: prng.int(1, BROWSERS_MAX) }, (_, index) => {
      const isOld = policy.compatSimplejwt && prng.chance(0.5);
      const rule = isOld ? "never" : prng.chance(0.7) ? "if_unchanged" : "always";
      return new Browser(`browser ${index}`, prng.int(1, TABS_MAX), rule, this.#newClientKey());
    });
    note(() => `settings: ${JSON.stringify(policy)}`);
    for (const { label, rule, tabs } of this.browsers)
      note(() => `${label}: ${tabs.length} tabs, stores ${rule}`);
  }

  /** A tab without a session signs in, and a tab with one presents its token, unless it waits for an answer. */
  async use(tab: Tab): Promise<void> {
    const { browser } = tab;
    if (browser.store === null) {
      if (!this.edge.user.isActive) await this.edge.setActive(true); // by support, who was called
      this.signIn(browser);
    } else if (tab.waiting === null) this.#present(tab, tab.present(), browser.clientKey);
  }

  retry(tab: Tab): void {
    if (tab.waiting !== null) this.#present(tab, tab.retry(), tab.browser.clientKey);
  }

  /** The password is checked against the user as D1 has it now; the object hears of it later. */
  signIn(browser: Browser): void {
    if (browser.isSigningIn) return;
    browser.isSigningIn = true;
    this.edge.note(() => `${browser.label} signs in`);
    this.network.send({ kind: "login", browser, user: this.edge.user });
  }

  logOut(browser: Browser): void {
    if (browser.store === null) return;
    const { token, ep } = browser.store;
    const someSid = this.prng.pickAny([...this.judge.ledger.families.keys()]) ?? token.sid;
    const scope = this.prng.pick<RevocationScope>([
      { kind: "all" },
      { kind: "others" },
      { kind: "one", sid: token.sid },
      { kind: "one", sid: someSid },
    ]);
    if (scope.kind === "all" || (scope.kind === "one" && scope.sid === token.sid)) browser.store = null;
    const by = { sid: token.sid, ep: this.prng.chance(0.5) ? ep : null };
    this.edge.note(() => `${browser.label} logs out ${scope.kind}`);
    this.network.send({ kind: "logout", browser, by, scope });
  }

  /** To another network, or to that of the first browser. */
  move(browser: Browser): void {
    const [first] = this.browsers;
    browser.clientKey = this.prng.chance(0.7)
      ? this.#newClientKey()
      : (first?.clientKey ?? browser.clientKey);
    this.edge.note(() => `${browser.label} is now ${browser.clientKey}`);
  }

  /** A thief copies the store and, sometimes, also comes from the same address with the same agent. */
  steal(browser: Browser): void {
    if (browser.store === null || this.thieves.length === THIEVES_MAX) return;
    const clientKey = this.prng.chance(0.4) ? browser.clientKey : this.#newClientKey();
    const { token } = browser.store;
    this.edge.note(() => `a thief takes ${name(token)} from ${browser.label}, as ${clientKey}`);
    this.thieves.push(new Thief(token, clientKey));
  }

  /** With the copy itself, again and again, or with what came of it. A thief who is turned away tries a little more. */
  thieve(thief: Thief): void {
    this.#present(thief, this.prng.chance(0.4) ? thief.stolen : thief.newest, thief.clientKey);
    if (thief.isBeaten && this.prng.chance(0.5))
      this.thieves = this.thieves.filter((other) => other !== thief);
  }

  /** Some of what is on its way arrives in this moment. */
  async deliver(count: number): Promise<void> {
    const arriving: Refreshing[] = [];
    for (let i = 0; i < count; i += 1) {
      const request = this.network.takeRequest();
      if (request?.kind === "refresh") arriving.push(request);
      if (request?.kind === "login") await this.edge.login(request);
      if (request?.kind === "logout") await this.edge.logout(request);
    }
    if (arriving.length > 0) await this.edge.refresh(arriving, this.network);
  }

  #present(from: Presenter, token: Token | null, clientKey: string): void {
    if (token === null) return;
    const { party } = from;
    const wasDue = this.judge.isDue({ token, clientKey }, this.edge.nowMs);
    this.edge.note(() => `${from.label} sends ${name(token)} as ${clientKey}`);
    this.network.send({ kind: "refresh", party, token, clientKey, isCopy: false, wasDue, from });
  }

  #newClientKey(): string {
    this.#clients += 1;
    return `client ${this.#clients}`;
  }
}
