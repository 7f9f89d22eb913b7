/** Reading a request body strictly, before any schema sees it (HTTP-02, HTTP-03). */
import { bodyLimit } from "hono/body-limit";
import type { AppContext } from "../context.ts";
import { Refusal } from "./problems.ts";

const BODY_BYTES_MAX = 64 * 1024;
const DEPTH_MAX = 32;

/** Counts while the body arrives; puts what it read in its place. */
const limitBody = bodyLimit({
  maxSize: BODY_BYTES_MAX,
  onError: () => {
    throw new Refusal("body_too_large");
  },
});

/**
 * Null for a body that a schema may see, else its refusal: 413 over 64 KiB; 415 unless the media
 * type is exactly `application/json`; 400 unless it is UTF-8 and a JSON object at most 32 deep. No
 * body at all counts as `{}`. A name given twice counts as its last.
 */
export async function refusalOfBody(c: AppContext): Promise<Refusal | null> {
  let bytes = new ArrayBuffer(0);
  try {
    await limitBody(c, async () => {
      bytes = await c.req.arrayBuffer();
    });
  } catch (refusal) {
    if (refusal instanceof Refusal) return refusal;
    throw refusal;
  }
  if (bytes.byteLength === 0) {
    replaceByEmptyObject(c);
    return null;
  }
  const [essence = ""] = (c.req.header("Content-Type") ?? "").split(";");
  if (essence.trim().toLowerCase() !== "application/json") return new Refusal("unsupported_media_type");
  return isJsonObject(bytes) ? null : new Refusal("malformed_json");
}

function replaceByEmptyObject(c: AppContext): void {
  const headers = new Headers(c.req.raw.headers);
  headers.set("Content-Type", "application/json");
  c.req.raw = new Request(c.req.raw, { body: "{}", headers });
  c.req.bodyCache = {};
}

function isJsonObject(bytes: ArrayBuffer): boolean {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes),
    );
    return (
      typeof value === "object" && value !== null && !Array.isArray(value) && isShallow(value, DEPTH_MAX)
    );
  } catch {
    return false;
  }
}

function isShallow(value: unknown, depthMax: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depthMax > 0 && Object.values(value).every((member) => isShallow(member, depthMax - 1));
}
