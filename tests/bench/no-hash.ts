/**
 * "The hash taken out": a WebAssembly module with the exports of memory-hard.wasm that does nothing, and
 * the stored hash that any password then matches. Everything else of a login runs as it is deployed.
 */

const I32 = 0x7f;
const FUNCTION = 0x60;
const END = 0x0b;

const leb = (value: number): number[] =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(Math.floor(value / 0x80))];
const signedLeb = (value: number): number[] =>
  value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(Math.floor(value / 0x80))];
const list = (items: number[][]): number[] => [...leb(items.length), ...items.flat()];
const sized = (bytes: number[]): number[] => [...leb(bytes.length), ...bytes];
const section = (id: number, items: number[][]): number[] => [id, ...sized(list(items))];
const text = (name: string): number[] => sized([...new TextEncoder().encode(name)]);
const type = (parameters: number, results: number): number[] => {
  return [FUNCTION, ...sized(Array(parameters).fill(I32)), ...sized(Array(results).fill(I32))];
};
const body = (...instructions: number[]): number[] => sized([0, ...instructions, END]);
const constant = (value: number): number[] => [0x41, ...signedLeb(value)];

/** In the order of their indices: a name, its type, what it does. */
const FUNCTIONS = [
  { name: "argon2Begin", type: type(6, 1), body: body(...constant(0)) },
  { name: "argon2Step", type: type(1, 0), body: body() },
  { name: "argon2Finish", type: type(1, 0), body: body() },
  { name: "argon2Wipe", type: type(0, 0), body: body() },
  { name: "scryptBegin", type: type(3, 1), body: body(...constant(0)) },
  { name: "scryptStep", type: type(1, 0), body: body() },
  { name: "wipeWork", type: type(1, 0), body: body() },
];
/** Addresses, apart from one another. */
const GLOBALS = [
  { name: "ARGON2_MESSAGE", value: 1_024 },
  { name: "ARGON2_DIGEST", value: 8_192 },
  { name: "WORK", value: 65_536 },
];

/** The module (WebAssembly core specification, §5.5). Its memory is zero where a digest is read from. */
export function noHashModule(): Uint8Array {
  const memory = [[...text("memory"), 0x02, 0]];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      FUNCTIONS.map((one) => one.type),
    ),
    ...section(
      3,
      FUNCTIONS.map((_, index) => [index]),
    ),
    ...section(5, [[0, 1]]),
    ...section(
      6,
      GLOBALS.map(({ value }) => [I32, 0, ...constant(value), END]),
    ),
    ...section(7, [
      ...memory,
      ...FUNCTIONS.map(({ name }, index) => [...text(name), 0, index]),
      ...GLOBALS.map(({ name }, index) => [...text(name), 3, index]),
    ]),
    ...section(
      10,
      FUNCTIONS.map((one) => one.body),
    ),
  ]);
}

const SALT_LENGTH = 22;
const DIGEST_LENGTH = 32;
const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

/** A hash of the current scheme whose digest is what the module leaves: it matches, and is not replaced. */
export const NO_HASH = `argon2$argon2id$v=19$m=19456,t=2,p=1$${unpadded(
  new TextEncoder().encode("a".repeat(SALT_LENGTH)),
)}$${unpadded(new Uint8Array(DIGEST_LENGTH))}`;
