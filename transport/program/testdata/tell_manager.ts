// Tells the service manager that it is ready and that it stops.
import { ServiceNotifier } from "../service/service_notifier.ts";

using notifier = ServiceNotifier.open({ folder: Deno.args[0] ?? "" });
await notifier.ready("ready");
await notifier.stopping();
