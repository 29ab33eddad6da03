/** For tests: whether Python is here, whose standard library reads XML and property lists. */
export async function pythonIsHere(): Promise<boolean> {
  try {
    return (await new Deno.Command("python3", { args: ["-c", ""], stdin: "null" }).output()).success;
  } catch {
    return false;
  }
}

/** For tests: a property list as a reader that is not ours understands it. */
export async function parsePlist(text: string): Promise<Record<string, unknown>> {
  return await read("import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))", text);
}

/** For tests: the texts of an XML document's elements by name, the last of a name. */
export async function parseXml(text: string): Promise<Record<string, unknown>> {
  const program = "import json, sys, xml.etree.ElementTree as tree; " +
    "print(json.dumps({each.tag.split('}')[-1]: each.text for each in tree.parse(sys.stdin.buffer).iter()}))";
  return await read(program, text);
}

async function read(program: string, text: string): Promise<Record<string, unknown>> {
  const child = new Deno.Command("python3", { args: ["-c", program], stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}
