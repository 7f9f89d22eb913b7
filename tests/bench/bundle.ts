/** Bundles Workers as they are deployed: by wrangler, from their own configuration. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { runWrangler } from "../../scripts/wrangler.ts";

export type BundledModule = {
  type: "ESModule" | "CompiledWasm" | "Text";
  path: string;
  contents: string | Uint8Array;
};
export type Bundle = { modules: BundledModule[]; exports: string[]; gzipBytes: number };

const MAIN = /\.js$/;
const WASM = /\.wasm$/;
const TEXT = /\.txt$/;

/** Bundles the Worker of `configPath` into `directory`, in the development environment. */
export async function bundle(configPath: string, directory: string): Promise<Bundle> {
  const options = ["--config", configPath, "--env", "", "--outdir", directory, "--metafile"];
  await runWrangler(["deploy", "--dry-run", ...options]);
  const names = await readdir(directory);
  const modules: BundledModule[] = [];
  for (const name of names.filter((one) => MAIN.test(one))) {
    modules.push({ type: "ESModule", path: name, contents: await readFile(join(directory, name), "utf8") });
  }
  for (const name of names.filter((one) => WASM.test(one))) {
    modules.push({ type: "CompiledWasm", path: name, contents: await readFile(join(directory, name)) });
  }
  for (const name of names.filter((one) => TEXT.test(one))) {
    modules.push({ type: "Text", path: name, contents: await readFile(join(directory, name), "utf8") });
  }
  const gzipBytes = modules.reduce((sum, { contents }) => sum + gzipSync(contents).length, 0);
  return { modules, exports: await exportsOf(join(directory, "bundle-meta.json")), gzipBytes };
}

type Metafile = { outputs: Record<string, { exports: string[] }> };

async function exportsOf(metafile: string): Promise<string[]> {
  const { outputs } = JSON.parse(await readFile(metafile, "utf8")) as Metafile;
  return Object.values(outputs).flatMap((output) => output.exports);
}

/** The same bundle with the WebAssembly module whose file name holds `name` replaced. */
export function withWasm(
  modules: readonly BundledModule[],
  name: string,
  contents: Uint8Array,
): BundledModule[] {
  const isIt = ({ type, path }: BundledModule) => type === "CompiledWasm" && path.includes(name);
  if (!modules.some(isIt)) throw new Error(`no WebAssembly module is called ${name}`);
  return modules.map((one) => (isIt(one) ? { ...one, contents } : one));
}
