/** What would be deployed, read as wrangler reads it: no environment inherits a binding or a variable. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { unstable_readConfig } from "wrangler";
import { readConfig } from "../../schema/config.ts";
import { ROOT } from "../../scripts/wrangler.ts";

/** What of wrangler's configuration is looked at here: its own type says nothing about these. */
type Configuration = {
  name: string;
  compatibility_date: string;
  preview_urls: boolean;
  vars: Record<string, string>;
  secrets?: { required: string[] };
  exports: object;
  triggers: object;
  limits: { cpu_ms: number };
  observability: object;
  durable_objects: { bindings: { name: string; class_name: string }[] };
  kv_namespaces: { binding: string }[];
  d1_databases: { binding: string; database_name: string; migrations_dir: string }[];
  queues: {
    producers: { binding: string; queue: string }[];
    consumers: { queue: string; dead_letter_queue?: string }[];
  };
  ratelimits: { name: string; namespace_id: string; simple: { limit: number; period: number } }[];
  version_metadata: { binding: string };
};

const config = join(ROOT, "wrangler.toml");
const read = (env: string): Configuration => unstable_readConfig({ config, env });
const development = read("");
const DEPLOYED = [read("staging"), read("production")];

/** Every kind of binding that the project has, each by its names. */
const bindingsOf = (one: Configuration) => ({
  objects: one.durable_objects.bindings.map(({ name, class_name }) => `${name} ${class_name}`),
  kv: one.kv_namespaces.map(({ binding }) => binding),
  d1: one.d1_databases.map(({ binding, migrations_dir }) => `${binding} ${migrations_dir}`),
  producers: one.queues.producers.map(({ binding }) => binding),
  consumers: one.queues.consumers.map(({ queue, dead_letter_queue, ...how }) => ({
    ...how,
    isDead: queue.endsWith("-audit-dead"),
  })),
  version: one.version_metadata.binding,
});

/** What would be shared by mistake, if two environments named the same. */
const resourcesOf = (one: Configuration) => [
  `worker ${one.name}`,
  ...one.d1_databases.map(({ database_name }) => `database ${database_name}`),
  ...one.queues.producers.map(({ queue }) => `queue ${queue}`),
  ...one.queues.consumers.flatMap(({ dead_letter_queue: dead }) =>
    dead === undefined ? [] : [`queue ${dead}`],
  ),
  ...one.ratelimits.map(({ namespace_id }) => `counter ${namespace_id}`),
];

describe.each(DEPLOYED)("$name", (environment) => {
  test("has every variable of development, and of the other", () => {
    const everywhere = [development, ...DEPLOYED].flatMap(({ vars }) => Object.keys(vars));
    expect(Object.keys(environment.vars).sort()).toEqual([...new Set(everywhere)].sort());
    expect(environment.vars.ENVIRONMENT).toBe(environment.name.replace("session-authority-", ""));
  });

  test("has every binding of development, and the sieve", () => {
    expect(bindingsOf(environment)).toEqual(bindingsOf(development));
    expect(environment.ratelimits.map(({ name }) => name)).toEqual(["SIEVE"]);
  });

  test("has a sieve that cuts no limit of an address", () => {
    const [sieve] = environment.ratelimits.map(({ simple }) => simple.limit / simple.period);
    for (const name of ["RATE_LIMIT_IP", "RATE_LIMIT_AUTH", "RATE_LIMIT_REFRESH", "RATE_LIMIT_REGISTER"]) {
      const [count = 0, seconds = 1] = (environment.vars[name] ?? "").split("/").map(Number);
      expect(count / seconds, name).toBeLessThanOrEqual(sieve ?? 0);
    }
  });

  test("reads its dead letters again, and nothing is dead after them but what was logged", () => {
    const { consumers } = environment.queues;
    expect(consumers.map(({ queue, dead_letter_queue }) => [queue, dead_letter_queue])).toEqual([
      [`${environment.name}-audit`, `${environment.name}-audit-dead`],
      [`${environment.name}-audit-dead`, undefined],
    ]);
  });

  test("has the same objects, schedule, CPU limit and logs", () => {
    const { exports, triggers, limits, observability, compatibility_date } = environment;
    const expected = { exports: development.exports, triggers: development.triggers };
    expect({ exports, triggers }).toEqual(expected);
    expect(compatibility_date).toBe(development.compatibility_date);
    expect(limits.cpu_ms).toBe(5000);
    expect(observability).toMatchObject({ enabled: true, redact_query_string: true });
    expect(environment.preview_urls).toBe(false);
  });

  test("cannot be deployed without its secrets, and holds none as a variable", () => {
    const required = ["JWT_SIGNING_KEYS", "REFRESH_TOKEN_SECRET", "DATA_ENCRYPTION_KEY"];
    expect(environment.secrets?.required).toEqual(required);
    const secrets = [...required, "JWT_SECRET", "ADMIN_TOKEN", "ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_SECRET"];
    for (const name of [...secrets, "MAIL_API_KEY", "DJANGO_SECRET_KEY"])
      expect(environment.vars).not.toHaveProperty(name);
  });

  test("serves nobody before its origins are set: there is no placeholder that works", () => {
    const reading = readConfig(environment.vars);
    const settings = reading.kind === "wrong" ? reading.problems.map(({ setting }) => setting) : [];
    const isSet = environment.vars.ISSUER !== "" && environment.vars.AUDIENCE !== "";
    if (isSet) expect(String(environment.vars.ISSUER)).toMatch(/^https:\/\//);
    else expect(settings).toEqual(expect.arrayContaining(["ISSUER", "AUDIENCE"]));
  });
});

test("no two environments share a name, a database, a queue or a counter", () => {
  const all = [development, ...DEPLOYED].flatMap(resourcesOf);
  expect(new Set(all).size).toBe(all.length);
  expect(all).toEqual(expect.arrayContaining(["counter 2001", "queue session-authority-production-audit"]));
});
