/** The only randomness of the product. */
import { base64url } from "jose";
import type { SessionId, TokenId } from "../schema/ids.ts";

/** ASVS 7.2.3 asks for 128 bits in whatever names a session or a token. */
const ID_BYTES = 16;

/** `length` bytes from the platform's generator. */
export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

function randomId(): string {
  return base64url.encode(randomBytes(ID_BYTES));
}

export const newSessionId = (): SessionId => randomId() as SessionId;
export const newTokenId = (): TokenId => randomId() as TokenId;
/** The id of one request, told in `X-Request-Id`, in problem answers and in the log: every request has one, so the cheapest. */
export const newRequestId = (): string => crypto.randomUUID();
