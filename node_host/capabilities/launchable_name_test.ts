import assert from "node:assert/strict";
import { isLaunchableName } from "./launchable_name.ts";

Deno.test("isLaunchableName() knows programs, scripts, shortcuts, installers and bundles by their extension", () => {
  const names =
    "a.exe a.bat a.cmd a.com a.ps1 a.vbs a.msi a.scr a.lnk a.desktop a.app a.command a.jar a.appimage a.sh " +
    "a.url a.webloc a.hta a.reg a.pif a.cpl a.msc a.inetloc a.workflow a.terminal a.dmg a.deb a.rpm a.py a.iso";
  for (const name of names.split(" ")) assert.ok(isLaunchableName(name), name);
});

Deno.test("isLaunchableName() sees through case, double extensions and what Windows drops", () => {
  for (const name of ["Report.PDF.ExE", "A.AppImage", ".sh", "a.exe.", "a.exe ", "a.exe. . ", "photo.jpg.lnk"]) {
    assert.ok(isLaunchableName(name), name);
  }
});

Deno.test("isLaunchableName() lets documents pass", () => {
  for (
    const name of ["a.pdf", "a.txt", "exe", "sh", "a", "", "a.exe.txt", "Folder", "a.sh5", "report v1.2", ".bashrc"]
  ) {
    assert.equal(isLaunchableName(name), false, name);
  }
});
