/**
 * The one order that every request goes through: facts → headers → CORS → settings → path and
 * method → (in `serve`) limits, credentials, body → handler. And the one place that turns what a
 * step threw into an answer.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { TrieRouter } from "hono/router/trie-router";
import { secureHeaders } from "hono/secure-headers";
import { log } from "../schema/log.ts";
import { toIso } from "../schema/time.ts";
import { tellAdminRequest } from "./admin-audit.ts";
import { tally } from "./audit.ts";
import { type App, type AppContext, type AppEnv, factsOf, isDevelopment, routeOf } from "./context.ts";
import { admit, limitHeaders } from "./http/limits.ts";
import { oauthProblem, speaksOAuth } from "./http/oauth-errors.ts";
import { Outage, PROBLEMS, type ProblemExtras, problemAnswer, Refusal } from "./http/problems.ts";
import { countsToLimits } from "./http/route.ts";
import { fieldErrors } from "./http/simplejwt.ts";
import { mountAccountUnlock } from "./routes/account-unlock.ts";
import { mountAdminBlocks } from "./routes/admin-blocks.ts";
import { mountAdminMigration } from "./routes/admin-migration.ts";
import { mountAdminRevocation } from "./routes/admin-revocation.ts";
import { mountAdminRoles } from "./routes/admin-roles.ts";
import { mountAdminSessions } from "./routes/admin-sessions.ts";
import { mountAdminUnlock } from "./routes/admin-unlock.ts";
import { mountAdminUsers } from "./routes/admin-users.ts";
import { mountApiKeys } from "./routes/api-keys.ts";
import { mountDeletion } from "./routes/deletion.ts";
import { mountDevOutbox } from "./routes/dev-outbox.ts";
import { mountDocuments } from "./routes/documents.ts";
import { mountEmailChange } from "./routes/email-change.ts";
import { mountEmailVerify } from "./routes/email-verify.ts";
import { mountEmailVerifyResend } from "./routes/email-verify-resend.ts";
import { mountExchange } from "./routes/exchange.ts";
import { mountExport } from "./routes/export.ts";
import { mountHealth } from "./routes/health.ts";
import { mountLogin } from "./routes/login.ts";
import { mountLoginMfa } from "./routes/login-mfa.ts";
import { mountLogout } from "./routes/logout.ts";
import { mountMfa } from "./routes/mfa.ts";
import { mountOAuthIntrospect } from "./routes/oauth-introspect.ts";
import { mountOAuthMetadata } from "./routes/oauth-metadata.ts";
import { mountOAuthRevoke } from "./routes/oauth-revoke.ts";
import { mountOAuthToken } from "./routes/oauth-token.ts";
import { mountPasswordChange } from "./routes/password-change.ts";
import { mountPasswordReset } from "./routes/password-reset.ts";
import { mountPasswordResetConfirm } from "./routes/password-reset-confirm.ts";
import { mountProfile } from "./routes/profile.ts";
import { mountRefresh } from "./routes/refresh.ts";
import { mountRegister } from "./routes/register.ts";
import { mountSecurityEvents } from "./routes/security-events.ts";
import { mountSecurityMetrics } from "./routes/security-metrics.ts";
import { mountSessions } from "./routes/sessions.ts";
import { mountTimeline } from "./routes/timeline.ts";
import { mountUser } from "./routes/user.ts";
import { mountVerify } from "./routes/verify.ts";

const HEALTH = /^\/api\/health\/?$/;
const REGISTER = /^\/api\/accounts\/register\/?$/;
const OUTAGE_RETRY_SECONDS = 5;
const PREFLIGHT_SECONDS = 600;
/** Of this host alone: what stands beside it is not ours to decide. */
const HSTS = "max-age=31536000";
const EXPOSED = [
  "X-Request-Id",
  "Retry-After",
  "RateLimit-Policy",
  "RateLimit",
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
];

export const app: App = new OpenAPIHono<AppEnv>({ strict: false });

app.use(async (c, next) => {
  c.set("facts", factsOf(c.req.raw, c.env));
  c.set("access", null);
  c.set("budgets", []);
  c.set("guess", null);
  c.set("bearer", null);
  c.set("userId", null);
  c.set("actor", null);
  c.set("isTold", false);
  c.set("code", null);
  // Whoever hangs up half-way must not be able to stop a change from being written to the audit trail.
  const answered = next();
  c.executionCtx.waitUntil(answered);
  await answered;
  tellAdminRequest(c);
  finish(c);
});

// HTTP-05, for answers that are never a page.
app.use(
  secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      frameAncestors: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
    },
    xFrameOptions: "DENY",
    xXssProtection: "1; mode=block",
    referrerPolicy: "no-referrer",
    strictTransportSecurity: false, // over https only: see finish()
    crossOriginResourcePolicy: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
  }),
);

const crossOrigin = cors({
  origin: (origin, c: AppContext) => {
    const { settings } = c.get("facts");
    return settings.kind === "ok" && settings.config.allowedOrigins.includes(origin) ? origin : null;
  },
  allowMethods: (_origin, c) => methodsOf(c),
  allowHeaders: ["Authorization", "Content-Type", "X-Device-Token", "X-Django-Session"],
  credentials: true, // for tokens in cookies; an origin that is not allowed gets no Allow-Origin
  exposeHeaders: EXPOSED,
  maxAge: PREFLIGHT_SECONDS,
});
app.use(async (c, next) => {
  if (c.req.header("Origin") !== undefined || c.req.method === "OPTIONS") return crossOrigin(c, next);
  await next();
  c.res.headers.append("Vary", "Origin"); // so that no cache hands it to a page
});

// What is for development alone does not exist elsewhere, whatever the settings are and the method.
app.use("/dev/*", async (c, next) => {
  if (!isDevelopment(c.env)) throw new Refusal("not_found");
  await next();
});

app.use(async (c, next) => {
  const { settings, requestId, now } = c.get("facts");
  if (settings.kind === "wrong" && !HEALTH.test(c.req.path)) {
    const names = settings.problems.map(({ setting }) => setting);
    log(toIso(now), { level: "error", event: "settings_wrong", settings: names, request_id: requestId });
    throw new Refusal("misconfigured", {
      detail: `The service is not configured: ${names.join(", ")}`,
      details: settings.problems.map(({ setting, problem }) => `${setting} ${problem}`),
      retryAfterSeconds: OUTAGE_RETRY_SECONDS,
    });
  }
  await next();
});

mountRegister(app);
mountLogin(app);
mountLoginMfa(app);
mountRefresh(app);
mountVerify(app);
mountLogout(app);
mountUser(app);
mountProfile(app);
mountDeletion(app);
mountExport(app);
mountExchange(app);
mountPasswordReset(app);
mountPasswordResetConfirm(app);
mountPasswordChange(app);
mountEmailVerify(app);
mountEmailVerifyResend(app);
mountEmailChange(app);
mountAccountUnlock(app);
mountSessions(app);
mountSecurityEvents(app);
mountSecurityMetrics(app);
mountTimeline(app);
mountMfa(app);
mountAdminRevocation(app);
mountAdminUnlock(app);
mountAdminUsers(app);
mountAdminSessions(app);
mountAdminRoles(app);
mountApiKeys(app);
mountAdminBlocks(app);
mountAdminMigration(app);
mountOAuthMetadata(app);
mountOAuthToken(app);
mountOAuthRevoke(app);
mountOAuthIntrospect(app);
mountHealth(app);
mountDevOutbox(app);
mountDocuments(app);
app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });

const methodRouter = new TrieRouter<string>();
for (const { method, path } of app.routes) if (method !== "ALL") methodRouter.add("ALL", path, method);

/** The methods that some route has for the request's path; none for an unknown one. */
function methodsOf(c: Pick<AppContext, "req" | "env">): string[] {
  const { path } = c.req;
  if (path.startsWith("/dev/") && !isDevelopment(c.env)) return [];
  const found = new Set(methodRouter.match("ALL", path)[0].map(([method]) => method));
  if (found.has("GET")) found.add("HEAD");
  return [...found].sort();
}

app.notFound(async (c: AppContext) => {
  if (countsToLimits(c.req)) await admit(c, []);
  const methods = methodsOf(c);
  if (methods.length === 0) throw new Refusal("not_found");
  throw new Refusal("method_not_allowed", { headers: { Allow: [...methods, "OPTIONS"].join(", ") } });
});

app.onError(async (error, c) => {
  const { requestId, now } = c.get("facts");
  const answer = speaksOAuth(c.req) ? oauthProblem : problemAnswer;
  if (error instanceof Refusal) {
    c.set("code", error.code);
    if (error.code === "rate_limited") tally(c, "request_limited");
    if (error.code === "address_blocked") tally(c, "request_blocked");
    return answer(error.code, { ...error.extras, ...(await inOldWords(c, error)) }, requestId);
  }
  if (error instanceof HTTPException && error.status < 500) {
    // The libraries' own complaints about a request, should one get past our steps (HTTP-04).
    c.set("code", "invalid_request");
    return answer("invalid_request", {}, requestId);
  }
  const isOutage = error instanceof Outage;
  const code = isOutage ? "unavailable" : "internal_error";
  c.set("code", code);
  log(toIso(now), {
    level: "error",
    event: code,
    request_id: requestId,
    ...(isOutage ? { part: error.part } : {}),
    reason: describeFault(isOutage ? error.cause : error),
  });
  return answer(code, isOutage ? { retryAfterSeconds: OUTAGE_RETRY_SECONDS } : {}, requestId);
});

/** Contract §9: what old clients read of a refused registration. */
async function inOldWords(c: AppContext, refusal: Refusal): Promise<Pick<ProblemExtras, "members">> {
  const { settings } = c.get("facts");
  const isOld = settings.kind === "ok" && settings.config.compatSimplejwt;
  if (!isOld || !REGISTER.test(c.req.path) || PROBLEMS[refusal.code].status !== 400) return {};
  const sent: unknown = await c.req.json().catch(() => null);
  if (typeof sent !== "object" || sent === null) return {};
  return { members: fieldErrors(refusal, sent as Record<string, unknown>) };
}

/** What a fault is called. Its message may quote what was sent, so only our own kind is kept. */
function describeFault(fault: unknown): string {
  return fault instanceof Error
    ? `${fault.name}: ${fault.message.slice(0, 200)}`
    : String(fault).slice(0, 200);
}

/** The headers that every answer carries, and its line in the log. */
function finish(c: AppContext): void {
  const { requestId, now } = c.get("facts");
  const { headers } = c.res; // not by `c.header`, which makes the whole answer anew for each
  headers.set("X-Request-Id", requestId);
  if (countsToLimits(c.req) || c.get("access") !== null) headers.set("Cache-Control", "no-store");
  if (c.req.url.startsWith("https:")) headers.set("Strict-Transport-Security", HSTS);
  for (const [name, value] of Object.entries(limitHeaders(c.get("budgets"), now))) headers.set(name, value);
  if (c.req.method === "OPTIONS") headers.set("Allow", [...methodsOf(c), "OPTIONS"].join(", "));
  const code = c.get("code");
  log(toIso(now), {
    level: "info",
    event: "request",
    request_id: requestId,
    method: c.req.method,
    route: routeOf(c),
    status: c.res.status,
    ...(code === null ? {} : { code }),
  });
}
