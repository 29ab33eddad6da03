import assert from "node:assert/strict";
import { isWithin, MAX_PATH_BYTES, pathTextRefusal } from "./openable_path.ts";

Deno.test("pathTextRefusal() lets plain absolute paths pass", () => {
  for (const path of ["/", "/home/a b/ü.txt", "/a/..hidden", "/a/b..", "/a/.config", "/a:b", "/-rf", "/a/日本.pdf"]) {
    assert.equal(pathTextRefusal(path, "linux"), undefined, path);
  }
  for (const path of ["C:\\", "c:/Users/a b", "C:\\Users\\ü\\..hidden.txt", "D:\\console.txt", "C:\\a\\com10.txt"]) {
    assert.equal(pathTextRefusal(path, "windows"), undefined, path);
  }
});

Deno.test("pathTextRefusal() refuses on every platform what is hidden, remote, relative or too long", () => {
  const paths = [
    "",
    "a",
    "./a",
    "../a",
    "~",
    "~/a",
    "//server/share",
    "\\\\server\\share",
    "\\\\?\\C:\\a",
    "\\\\.\\pipe\\a",
  ];
  paths.push("/\\server\\a", "\\/server/a", "file:///etc/passwd", "C:a", "\\a", "-a", "$HOME/a", "%USERPROFILE%\\a");
  for (const bad of ["\u0000", "\n", "\u001b", "\u007f", "\u0085", "\u202e", "\u2067", "\u200f", "\u2028", "\udc00"]) {
    paths.push(`/a${bad}b`, `C:\\a${bad}b`);
  }
  paths.push(`/${"a".repeat(MAX_PATH_BYTES)}`, `C:\\${"ü".repeat(MAX_PATH_BYTES / 2)}`);
  for (const os of ["linux", "darwin", "windows"]) {
    for (const path of paths) {
      assert.notEqual(pathTextRefusal(path, os), undefined, `${os}: ${JSON.stringify(path)}`);
    }
  }
});

Deno.test("pathTextRefusal() refuses dot segments, and backslashes on Unix", () => {
  for (const path of ["/a/../b", "/..", "/a/.", "/./a", "/a/..", "/a\\b", "C:\\a"]) {
    assert.notEqual(pathTextRefusal(path, "linux"), undefined, path);
  }
  for (const path of ["C:\\a\\..\\b", "C:/a/../b", "C:\\..", "C:\\.\\a"]) {
    assert.notEqual(pathTextRefusal(path, "windows"), undefined, path);
  }
});

Deno.test("pathTextRefusal() refuses what Windows reads differently from how it is written", () => {
  const paths = ["C:\\a.txt:stream", "C:\\a.txt::$DATA", "C:\\CON", "C:\\a\\nul.txt", "C:\\a\\COM1", "C:\\lpt¹.txt"];
  paths.push(
    "C:\\CONIN$",
    "C:\\a.exe.",
    "C:\\a.exe ",
    "C:\\a \\b",
    "C:\\a?",
    "C:\\a*",
    'C:\\a"b',
    "C:\\a|b",
    "C:\\a<b",
  );
  paths.push("\\\\?\\UNC\\server\\a", "\\??\\C:\\a", "C:", "1:\\a");
  for (const path of paths) assert.notEqual(pathTextRefusal(path, "windows"), undefined, path);
});

Deno.test("isWithin() compares whole names", () => {
  assert.ok(isWithin("/srv/shared", "/srv/shared", "linux"));
  assert.ok(isWithin("/srv/shared/a/b", "/srv/shared/", "linux"));
  assert.ok(isWithin("/srv/shared/..a", "/srv/shared", "linux"));
  assert.ok(isWithin("/etc", "/", "linux"));
  assert.ok(!isWithin("/srv/shared2", "/srv/shared", "linux"));
  assert.ok(!isWithin("/srv", "/srv/shared", "linux"));
  assert.ok(!isWithin("/SRV/shared", "/srv/shared", "linux"));
  assert.ok(isWithin("c:\\Users\\a\\b", "C:\\users\\A", "windows"));
  assert.ok(!isWithin("C:\\Users2", "C:\\Users", "windows"));
  assert.ok(!isWithin("D:\\Users\\a", "C:\\Users", "windows"));
});
