import assert from "node:assert/strict";
import { join } from "node:path";
import { testdataProgram } from "../testdata_program.ts";
import { ServiceNotifier } from "./service_notifier.ts";

/** A service manager's end of the socket. */
class ManagerSocket implements Disposable {
  readonly #socket: Deno.DatagramConn;

  constructor(path: string) {
    this.#socket = Deno.listenDatagram({ transport: "unixpacket", path });
  }

  async next(): Promise<string> {
    const [bytes] = await this.#socket.receive(new Uint8Array(4_096));
    return new TextDecoder().decode(bytes);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

const environment = (variables: Readonly<Record<string, string>>) => ({ get: (name: string) => variables[name] });

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const posix = { ignore: Deno.build.os === "windows" };

Deno.test(
  "ServiceNotifier tells the manager when the program is ready, how it stands and that it stops",
  posix,
  async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "notify");
      using manager = new ManagerSocket(path);
      using notifier = ServiceNotifier.open({ folder, environment: environment({ NOTIFY_SOCKET: path }) });
      await notifier.ready("listens on 127.0.0.1:7444");
      await notifier.status("listens on 127.0.0.1:7444");
      await notifier.status("connected\nMAINPID=1");
      await notifier.stopping();
      assert.equal(await manager.next(), "READY=1\nSTATUS=listens on 127.0.0.1:7444");
      assert.equal(await manager.next(), "STATUS=connected MAINPID=1");
      assert.equal(await manager.next(), "STOPPING=1");
      const left = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
      assert.deepEqual(left, ["notify"]);
    });
  },
);

Deno.test({
  name: "ServiceNotifier reaches a manager with an abstract socket",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withFolder(async (folder) => {
      const name = `palyra-test-${crypto.randomUUID()}`;
      using manager = new ManagerSocket(`\0${name}`);
      using notifier = ServiceNotifier.open({ folder, environment: environment({ NOTIFY_SOCKET: `@${name}` }) });
      await notifier.ready();
      assert.equal(await manager.next(), "READY=1");
    });
  },
});

Deno.test(
  "ServiceNotifier says that the program is alive once it is ready, and only to its own watchdog",
  posix,
  async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "notify");
      using manager = new ManagerSocket(path);
      const watched = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "20000", WATCHDOG_PID: String(Deno.pid) };
      using notifier = ServiceNotifier.open({ folder, environment: environment(watched) });
      await notifier.ready();
      assert.equal(await manager.next(), "READY=1");
      assert.equal(await manager.next(), "WATCHDOG=1");
      assert.equal(await manager.next(), "WATCHDOG=1");
      notifier[Symbol.dispose]();

      const others = { ...watched, WATCHDOG_PID: String(Deno.pid + 1) };
      using unwatched = ServiceNotifier.open({ folder, environment: environment(others) });
      await unwatched.ready("again");
      let message = await manager.next();
      // What the first one sent before it ended.
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      while (message === "WATCHDOG=1") message = await manager.next();
      assert.equal(message, "READY=1\nSTATUS=again");
      await unwatched.stopping();
      assert.equal(await manager.next(), "STOPPING=1");
    });
  },
);

Deno.test("ServiceNotifier works from a folder whose path is too long for a socket", posix, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "notify");
    using manager = new ManagerSocket(path);
    const deep = join(folder, "d".repeat(120));
    await Deno.mkdir(deep);
    using notifier = ServiceNotifier.open({ folder: deep, environment: environment({ NOTIFY_SOCKET: path }) });
    await notifier.ready();
    assert.equal(await manager.next(), "READY=1");
  });
});

Deno.test(
  "ServiceNotifier does nothing without a manager, and throws nothing when there is none to reach",
  posix,
  async () => {
    await withFolder(async (folder) => {
      for (const variables of [{}, { NOTIFY_SOCKET: join(folder, "nobody"), WATCHDOG_USEC: "soon" }]) {
        using notifier = ServiceNotifier.open({ folder, environment: environment(variables) });
        // deno-lint-ignore no-await-in-loop -- one after the other
        await notifier.ready();
        // deno-lint-ignore no-await-in-loop -- one after the other
        await notifier.stopping();
      }
      using _unwritable = ServiceNotifier.open({
        folder: join(folder, "missing"),
        environment: environment({ NOTIFY_SOCKET: join(folder, "nobody") }),
      });
    });
  },
);

Deno.test("ServiceNotifier needs no other permissions than those that it names", posix, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "notify");
    using manager = new ManagerSocket(path);
    const flags = [
      "--no-prompt",
      "--allow-env=NOTIFY_SOCKET,WATCHDOG_USEC,WATCHDOG_PID",
      "--allow-net",
      `--allow-read=${folder}`,
      `--allow-write=${folder}`,
    ];
    const tell = (more: Deno.CommandOptions, given: readonly string[]) =>
      testdataProgram("tell_manager.ts", [folder], more, given).output();
    const { code, stderr } = await tell({ env: { NOTIFY_SOCKET: path } }, flags);
    assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
    assert.equal(await manager.next(), "READY=1\nSTATUS=ready");
    assert.equal(await manager.next(), "STOPPING=1");
    // Without them it does its work all the same.
    assert.equal((await tell({ env: { NOTIFY_SOCKET: path } }, ["--no-prompt"])).code, 0);
  });
});
