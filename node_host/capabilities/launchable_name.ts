// What a desktop starts, installs or follows elsewhere instead of showing it. On every platform alike: a share or a
// stick is read on more than one.
const LAUNCHABLE_EXTENSIONS: ReadonlySet<string> = new Set([
  // Windows programs, scripts, installers, shell links and settings.
  ..."exe com pif scr cpl msc bat cmd ps1 ps1xml ps2 psm1 psd1 psc1 vb vbs vbe js jse mjs cjs ws wsf wsc wsh hta".split(
    " ",
  ),
  ..."msi msp mst msix msixbundle appx appxbundle appinstaller application appref-ms gadget".split(" "),
  ..."lnk url website scf inf reg job chm hlp xll library-ms search-ms searchconnector-ms settingcontent-ms".split(" "),
  ..."diagcab dll ocx sys drv theme themepack rdp msrcincident iso img vhd vhdx".split(" "),
  // macOS bundles, scripts, installers and locations.
  ..."app command tool terminal workflow action scpt scptd applescript osax pkg mpkg dmg".split(" "),
  ..."bundle plugin prefpane saver qlgenerator kext webloc inetloc fileloc ftploc afploc vncloc mobileconfig".split(
    " ",
  ),
  // Unix programs, scripts, launchers and packages.
  ..."desktop directory service sh bash zsh fish csh ksh run bin elf so appimage deb rpm snap flatpak flatpakref".split(
    " ",
  ),
  ..."flatpakrepo out".split(" "),
  // Interpreters found on any of them.
  ..."jar jnlp class py pyc pyw pyz pl rb php lua tcl ahk au3 air swf".split(" "),
]);

/**
 * Whether a file or folder of this name may start, install or redirect something when it is opened, judged by its
 * extension: programs, scripts, shortcuts, installers, macOS bundles, disk images.
 */
export function isLaunchableName(name: string): boolean {
  // Windows ignores dots and spaces at the end of a name: `setup.exe. ` is setup.exe.
  const trimmed = name.replace(/[. ]+$/, "");
  const dot = trimmed.lastIndexOf(".");
  return dot >= 0 && LAUNCHABLE_EXTENSIONS.has(trimmed.slice(dot + 1).toLowerCase());
}
