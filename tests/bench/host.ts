/**
 * The one runtime of a run: the bundled service as it is deployed, the same with its hash taken
 * out, and the floors, each on a socket of its own, all in one workerd.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  convertV4MiniflareOptions,
  Log,
  LogLevel,
  Miniflare,
  type V4WorkerOptions,
  type V4WorkerOptionsShape,
} from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from "wrangler";
import { ROOT } from "../../scripts/wrangler.ts";
import { newSigningJwk } from "../../worker/tokens/new-key.ts";
import { type Bundle, bundle, withWasm } from "./bundle.ts";
import { cpuMsOf, memoryMibOf, runtimePid } from "./machine.ts";
import { noHashModule } from "./no-hash.ts";

/**
 * `service`: the hash taken out, the limits raised. `small`: the same again, with users of its own.
 * `hashing`: only the limits raised; `elsewhere`: another isolate before the same objects. `counted`:
 * the limits as they are, and a tail that counts.
 */
export type WorkerName = "service" | "small" | "hashing" | "elsewhere" | "counted" | "floors";
export type Host = {
  origins: Record<WorkerName, string>;
  service: Bundle;
  /** Whether the service has an entrypoint for other Workers. */
  hasRpc: boolean;
  /** Milliseconds of CPU that the runtime has used; null where the system does not tell. */
  cpuMs: () => number | null;
  /** What the runtime holds of the machine's memory, in MiB; null where the system does not tell. */
  memoryMib: () => number | null;
  /** Runs one statement in the database that all Workers share. */
  sql: (statement: string) => Promise<Record<string, unknown>[]>;
  stop: () => Promise<void>;
};

const CONFIG = join(ROOT, "wrangler.toml");
const FLOORS_CONFIG = join(import.meta.dirname, "workers/floors.toml");
const MIGRATIONS = join(ROOT, "schema/migrations");
const RPC_ENTRYPOINT = "SessionVerifier";
const UNREACHED = 9_999_999;
/** The periods are the real ones: with them, a limit's row has the size that it has in use. */
const RAISED = {
  RATE_LIMIT_IP: `${UNREACHED}/60`,
  RATE_LIMIT_USER: `${UNREACHED}/60`,
  RATE_LIMIT_AUTH: `${UNREACHED}/300`,
  RATE_LIMIT_REFRESH: `${UNREACHED}/300`,
  RATE_LIMIT_REGISTER: `${UNREACHED}/3600`,
  MAX_SESSIONS_PER_USER: "1000",
};
const ISSUED = { ISSUER: "https://authority.bench", AUDIENCE: "https://api.bench" };

const secret = (): string => randomBytes(32).toString("base64url");

/** Bundles, starts and migrates; nothing outlives `stop`. */
export async function startHost(): Promise<Host> {
  const directory = await mkdtemp(join(tmpdir(), "session-authority-bench-"));
  const service = await bundle(CONFIG, join(directory, "service"));
  const floors = await bundle(FLOORS_CONFIG, join(directory, "floors"));
  const hasRpc = service.exports.includes(RPC_ENTRYPOINT);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      log: new Log(LogLevel.ERROR),
      handleStructuredLogs: () => undefined, // the service's log lines
      cf: false,
      workers: await workers(service, floors, hasRpc),
    }),
  );
  await miniflare.ready;
  const pid = runtimePid();
  const sql = async (statement: string) => {
    const database = await miniflare.getD1Database("DB", "service");
    return (await database.prepare(statement).all()).results;
  };
  for (const statement of await migrations()) await sql(statement);
  const origin = async (name: WorkerName) => (await miniflare.unsafeGetDirectURL(name)).origin;
  return {
    origins: {
      service: await origin("service"),
      small: await origin("small"),
      hashing: await origin("hashing"),
      elsewhere: await origin("elsewhere"),
      counted: await origin("counted"),
      floors: await origin("floors"),
    },
    service,
    hasRpc,
    cpuMs: () => (pid === null ? null : cpuMsOf(pid)),
    memoryMib: () => (pid === null ? null : memoryMibOf(pid)),
    sql,
    stop: async () => {
      await miniflare.dispose();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function workers(service: Bundle, floors: Bundle, hasRpc: boolean): Promise<V4WorkerOptions[]> {
  const signingKey = await newSigningJwk("EdDSA", { createdAt: 1, endsAt: null });
  const secrets = {
    JWT_SIGNING_KEYS: JSON.stringify({ keys: [signingKey] }),
    REFRESH_TOKEN_SECRET: secret(),
    DATA_ENCRYPTION_KEY: secret(),
    ADMIN_TOKEN: secret(),
  };
  const { modulesRules: _rules, ...given } = unstable_getMiniflareWorkerOptions(CONFIG, "").workerOptions;
  const declared: V4WorkerOptionsShape = given;
  const common: V4WorkerOptionsShape = {
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    modulesRoot: "/",
    stripCfConnectingIp: false,
  };
  const asItIs = { ...declared, ...common, bindings: { ...declared.bindings, ...secrets, ...ISSUED } };
  const raised = { ...asItIs, bindings: { ...asItIs.bindings, ...RAISED } };
  const hashless = withWasm(service.modules, "memory-hard", noHashModule());
  const verifier = { VERIFIER: { name: "service", entrypoint: RPC_ENTRYPOINT } };
  return [
    withOwnQueue({ ...raised, name: "service", modules: hashless }),
    withOwnQueue({ ...raised, name: "small", modules: hashless }),
    withOwnQueue({ ...raised, name: "hashing", modules: service.modules }),
    withOwnQueue({
      ...raised,
      name: "elsewhere",
      modules: service.modules,
      durableObjects: objectsOf(raised, "hashing"),
    }),
    withOwnQueue({ ...asItIs, name: "counted", modules: hashless, tails: [{ name: "floors" }] }),
    {
      ...common,
      name: "floors",
      modules: floors.modules,
      ...(declared.compatibilityDate === undefined ? {} : { compatibilityDate: declared.compatibilityDate }),
      bindings: { SIGNING_JWK: JSON.stringify(signingKey), REFRESH_SECRET: secrets.REFRESH_TOKEN_SECRET },
      durableObjects: { OBJECTS: { className: "FloorObject", useSQLite: true } },
      kvNamespaces: { KV: "FLOORS" },
      d1Databases: { DB: "DB" },
      serviceBindings: {
        BARE_VERIFIER: { name: "floors", entrypoint: "BareVerifier" },
        ...(hasRpc ? verifier : {}),
      },
    },
  ];
}

/** A queue has one consumer, so that each Worker has a queue: what it sends, it stores. */
function withOwnQueue(worker: V4WorkerOptions & { name: WorkerName }): V4WorkerOptions {
  const { queueProducers = {}, queueConsumers = {} } = worker;
  const renamed = (queue: string) => `${queue}-${worker.name}`;
  return {
    ...worker,
    queueProducers: Object.fromEntries(
      Object.entries(queueProducers).map(([binding, { queueName }]) => [
        binding,
        { queueName: renamed(queueName) },
      ]),
    ),
    queueConsumers: Object.fromEntries(
      Object.entries(queueConsumers).map(([queue, consumer]) => [renamed(queue), consumer]),
    ),
  };
}

/** The objects of another Worker. */
function objectsOf({ durableObjects = {} }: V4WorkerOptionsShape, scriptName: string) {
  const names = Object.entries(durableObjects).map(([name, object]) => [name, classOf(object)] as const);
  return Object.fromEntries(
    names.map(([name, className]) => [name, { className, scriptName, useSQLite: true }]),
  );
}

function classOf(object: string | { className: string }): string {
  return typeof object === "string" ? object : object.className;
}

async function migrations(): Promise<string[]> {
  const names = (await readdir(MIGRATIONS)).filter((name) => name.endsWith(".sql")).sort();
  const files = await Promise.all(names.map((name) => readFile(join(MIGRATIONS, name), "utf8")));
  return files.flatMap((text) => unstable_splitSqlQuery(text));
}
