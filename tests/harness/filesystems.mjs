// File systems in files, for power cuts and full disks. They need root and the tools of ext4 and XFS.

import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

import { afterwards } from "./cleanup.mjs";

/** Why a test that needs `tools` and root cannot run here; `false` when it can. For `node:test`'s `skip`. */
export function whyNot(tools) {
  if (process.getuid() !== 0) return "needs root for loop mounts";
  const missing = tools.filter((tool) => !isInstalled(tool));
  if (missing.length > 0) return `needs ${missing.join(", ")}`;
  try {
    statSync("/dev/loop-control");
  } catch {
    return "needs loop devices";
  }
  return false;
}

function isInstalled(tool) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function run(command, ...args) {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ""}${delimiter}/usr/sbin${delimiter}/sbin` };
  return execFileSync(command, args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
}

/** Makes a sparse file of so many bytes. */
export function sparseFile(path, bytes) {
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

/**
 * Mounts an image file on a new folder, after the command `format` if given; answers `{folder, unmount}`. Unmounts
 * after the test at the latest.
 */
export function mountImage(t, image, folder, { format } = {}) {
  if (format !== undefined) run(...format, image);
  mkdirSync(folder, { recursive: true });
  run("mount", "-o", "loop", image, folder);
  let mounted = true;
  const unmount = () => {
    if (!mounted) return;
    mounted = false;
    run("umount", folder);
  };
  // A process that was killed a moment ago may still hold a file: then the mount goes as soon as it lets go.
  afterwards(t, () => {
    if (mounted) run("umount", "--lazy", folder);
    mounted = false;
  });
  return { folder, unmount };
}
