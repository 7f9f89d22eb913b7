/**
 * Who presents tokens. An owner's browser is any number of tabs with one store; its rules are
 * written once, for the model and for the object. A thief has a copy and no rules.
 */
import type { Party, Token } from "./ledger.ts";

export type SignedIn = { token: Token; ep: number };

/** What reaches a client that presented `presented`; null: 401. */
export type Outcome = SignedIn | null;

export interface Presenter {
  readonly party: Party;
  readonly label: string;
  received(presented: Token, outcome: Outcome): void;
}

/**
 * What a client does with an answer. `if_unchanged`: it stores it only in place of the token that
 * it presented. `always`: the last answer to arrive wins, even one that arrives late. `never`: it
 * goes on with the token of its login, like the clients of contract §9.
 */
export type StoreRule = "if_unchanged" | "always" | "never";

export class Browser {
  readonly label: string;
  readonly rule: StoreRule;
  readonly tabs: readonly Tab[];
  clientKey: string;
  store: SignedIn | null = null;
  isSigningIn = false;

  constructor(label: string, tabs: number, rule: StoreRule, clientKey: string) {
    this.label = label;
    this.rule = rule;
    this.clientKey = clientKey;
    this.tabs = Array.from({ length: tabs }, (_, index) => new Tab(this, `${label}/${index}`));
  }

  signedIn(outcome: Outcome): void {
    this.isSigningIn = false;
    if (outcome !== null) this.store = outcome;
  }
}

export class Tab implements Presenter {
  readonly party = "owner";
  readonly browser: Browser;
  readonly label: string;
  /** What it presented and waits for. */
  waiting: Token | null = null;

  constructor(browser: Browser, label: string) {
    this.browser = browser;
    this.label = label;
  }

  /** Reads the store, as before each send and each retry. Null: there is nothing to present. */
  present(): Token | null {
    this.waiting = this.browser.store?.token ?? null;
    return this.waiting;
  }

  /** Gives up waiting. It tries again only if no other tab has brought a newer token meanwhile. */
  retry(): Token | null {
    const gaveUp = this.waiting;
    this.waiting = null;
    return this.browser.store?.token.tokenId === gaveUp?.tokenId ? this.present() : null;
  }

  received(presented: Token, outcome: Outcome): void {
    const isAwaited = this.waiting?.tokenId === presented.tokenId;
    if (isAwaited) this.waiting = null;
    const { store, rule } = this.browser;
    const isUnchanged = store?.token.tokenId === presented.tokenId;
    if (rule === "never" && outcome !== null) return;
    if (isUnchanged || (rule === "always" && isAwaited && outcome !== null)) this.browser.store = outcome;
  }
}

export class Thief implements Presenter {
  readonly party = "thief";
  readonly label = "the thief";
  readonly stolen: Token;
  readonly clientKey: string;
  /** The newest of what it was answered. */
  newest: Token;
  isBeaten = false;

  constructor(stolen: Token, clientKey: string) {
    this.stolen = stolen;
    this.newest = stolen;
    this.clientKey = clientKey;
  }

  received(_presented: Token, outcome: Outcome): void {
    if (outcome === null) this.isBeaten = true;
    else if (outcome.token.generation > this.newest.generation) this.newest = outcome.token;
  }
}
