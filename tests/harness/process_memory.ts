/** The resident memory of a process, in bytes; Linux only. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`process ${pid} says nothing of its memory`);
  return Number(kibibytes) * 1_024;
}
