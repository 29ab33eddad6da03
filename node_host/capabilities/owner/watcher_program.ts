/** What a watcher allows. */
export interface WatcherLimits {
  /** The most memory that the process may have in use, in bytes: what is outside the heap counts, too. */
  readonly maxMemoryBytes: number;
  /** How often that is looked at, in milliseconds. */
  readonly pollMs: number;
}

/** What a watcher sees of the worker that it runs in. */
export interface WatcherScope {
  postMessage(order: "cancel"): void;
}

/**
 * The program of a watcher: a thread of the child that goes on while the owner's code keeps the other one busy. It passes
 * orders on, and ends the process when nobody holds its standard input any more (palyra-node is gone, killed perhaps) and
 * when it uses too much memory. The text of this function is what the thread is started with, so it uses nothing from
 * outside itself.
 */
export function watcherProgram(scope: WatcherScope, limits: WatcherLimits): void {
  // Nothing that is caught or cleaned up could keep it from this; to end oneself needs no permission.
  const endProcess = () => Deno.kill(Deno.pid, "SIGKILL");
  setInterval(() => {
    if (Deno.memoryUsage().rss > limits.maxMemoryBytes) endProcess();
  }, limits.pollMs);
  const orders = new WritableStream({ write: () => scope.postMessage("cancel") });
  void Deno.stdin.readable.pipeTo(orders).finally(endProcess);
}
