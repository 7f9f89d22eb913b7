/**
 * `npm run bench:isolates`: the service in two isolates before the same objects, to measure what one
 * hears of a revocation that the other made. Runs until it is interrupted.
 */
import { startHost } from "./host.ts";

const host = await startHost();
const { hashing, elsewhere } = host.origins;
console.log(`npm run measure:revocation -- --base ${hashing} --via ${elsewhere}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void host.stop().then(() => process.exit(0));
  });
}
