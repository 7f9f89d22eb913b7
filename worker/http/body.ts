/** Reading a request body strictly, before any schema sees it (HTTP-02, HTTP-03). */
import { bodyLimit } from "hono/body-limit";
import type { AppContext } from "../context.ts";
import { Refusal } from "./problems.ts";

const BODY_BYTES_MAX = 64 * 1024;
const DEPTH_MAX = 32;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
/** The one encoding of OAuth's requests (RFC 6749 appendix B). */
export const FORM = "application/x-www-form-urlencoded";

/** Counts while the body arrives; puts what it read in its place. */
const limitBody = bodyLimit({
  maxSize: BODY_BYTES_MAX,
  onError: () => {
    throw new Refusal("body_too_large");
  },
});

/**
 * Null for a JSON body that a schema may see, else its refusal: 413 over 64 KiB; 415 unless the
 * media type is exactly `application/json`; 400 unless it is UTF-8 and a JSON object at most 32
 * deep. No body at all counts as `{}`. A name given twice counts as its last.
 */
export async function refusalOfBody(c: AppContext): Promise<Refusal | null> {
  const bytes = await readBody(c);
  if (bytes instanceof Refusal) return bytes;
  if (bytes.byteLength === 0) {
    replaceByEmptyObject(c);
    return null;
  }
  if (mediaType(c) !== "application/json") return new Refusal("unsupported_media_type");
  const text = jsonObjectText(bytes);
  if (text === null) return new Refusal("malformed_json");
  Object.assign(c.req.bodyCache, { text: Promise.resolve(text) }); // where validation looks, else it decodes anew
  return null;
}

/**
 * Null for a form that a schema may see, else its refusal: 413 over 64 KiB; 415 unless the media
 * type is exactly `application/x-www-form-urlencoded`; 400 unless it is UTF-8, whole, and gives no
 * parameter twice. A parameter without a value counts as omitted (RFC 6749 §3.2, appendix B).
 */
export async function refusalOfForm(c: AppContext): Promise<Refusal | null> {
  const bytes = await readBody(c);
  if (bytes instanceof Refusal) return bytes;
  if (bytes.byteLength > 0 && mediaType(c) !== FORM) {
    return new Refusal("unsupported_media_type", { detail: `The request body must be ${FORM}` });
  }
  const parameters = formParameters(bytes);
  if (parameters === null)
    return new Refusal("invalid_request", { detail: "The request body is not a form" });
  if (new Set(parameters.keys()).size < parameters.size) {
    return new Refusal("invalid_request", { detail: "A parameter is given more than once" });
  }
  const form = new FormData();
  for (const [name, value] of parameters) if (value !== "") form.append(name, value);
  c.req.bodyCache.formData = form; // where validation looks first
  return null;
}

async function readBody(c: AppContext): Promise<ArrayBuffer | Refusal> {
  let bytes = new ArrayBuffer(0);
  try {
    await limitBody(c, async () => {
      bytes = await c.req.arrayBuffer();
    });
  } catch (refusal) {
    if (refusal instanceof Refusal) return refusal;
    throw refusal;
  }
  return bytes;
}

function mediaType(c: AppContext): string {
  const [essence = ""] = (c.req.header("Content-Type") ?? "").split(";");
  return essence.trim().toLowerCase();
}

function replaceByEmptyObject(c: AppContext): void {
  const headers = new Headers(c.req.raw.headers);
  headers.set("Content-Type", "application/json");
  c.req.raw = new Request(c.req.raw, { body: "{}", headers });
  c.req.bodyCache = {};
}

function decodeUtf8(bytes: ArrayBuffer): string {
  return UTF8.decode(bytes);
}

/** Null where a lenient parser would guess: at bytes that are not UTF-8, or a % with no byte after it. */
function formParameters(bytes: ArrayBuffer): URLSearchParams | null {
  try {
    const text = decodeUtf8(bytes);
    decodeURIComponent(text);
    return new URLSearchParams(text);
  } catch {
    return null;
  }
}

/** The bytes as text if that is a JSON object, at most 32 deep. */
function jsonObjectText(bytes: ArrayBuffer): string | null {
  try {
    const text = decodeUtf8(bytes);
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject && isShallow(value, DEPTH_MAX) ? text : null;
  } catch {
    return null;
  }
}

function isShallow(value: unknown, depthMax: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depthMax > 0 && Object.values(value).every((member) => isShallow(member, depthMax - 1));
}
