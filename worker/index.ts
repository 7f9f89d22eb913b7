/** The Worker's entry: requests go to the application, and the runtime finds the object classes here. */
import { app } from "./app.ts";
import { queue } from "./queue.ts";
import { scheduled } from "./scheduled.ts";

export { AlertDesk } from "../objects/alert-desk.ts";
export { GlobalEpoch } from "../objects/global-epoch.ts";
export { IpGuard } from "../objects/ip-guard.ts";
export { UserAuthority } from "../objects/user-authority.ts";
export { Postman } from "./mail/postman.ts";
export { SessionVerifier } from "./rpc.ts";

export default { fetch: app.fetch, scheduled, queue } satisfies ExportedHandler<Env>;
