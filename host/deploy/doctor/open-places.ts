import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bundle } from '../../bundle/bundle.ts';
import type { Finding } from './finding.ts';

const OTHERS_MAY_ENTER = 0o011;
const OTHERS_MAY_READ = 0o044;
const OTHERS_MAY_WRITE = 0o022;
const MAX_NAMED = 5;

/** Where a host keeps events, state, its log and its socket: folders that users of this machine may look or write into. */
export async function openPlaces({ dir, bus, audit, file }: Bundle): Promise<Finding[]> {
  const store = bus.kind === 'embedded' ? [dirname(bus.file)] : [];
  const folders = new Set([join(dir, '.gtpack'), ...store, dirname(audit.file)]);
  folders.delete(dir);
  const findings: Finding[] = [];
  for (const folder of folders) {
    const mode = await modeOf(folder);
    if (mode === undefined) continue;
    if ((mode & OTHERS_MAY_WRITE) !== 0) {
      findings.push({
        severity: 'warning',
        code: 'folder_open',
        message: `Other users may write into ${folder} (mode ${octal(mode)}), where the host keeps its events and its socket.`,
        cure: `chmod 700 ${folder}`,
        file,
      });
      continue;
    }
    // Behind a closed door the modes of files say nothing.
    if ((mode & OTHERS_MAY_ENTER) === 0) continue;
    const open = await openFiles(folder);
    if (open.length === 0) continue;
    const more = open.length > MAX_NAMED ? ', and more' : '';
    findings.push({
      severity: 'warning',
      code: 'files_open',
      message: `Other users may read what the host keeps in ${folder}: ${open.slice(0, MAX_NAMED).join(', ')}${more}.`,
      cure: `chmod 700 ${folder}`,
      file,
    });
  }
  return findings;
}

async function openFiles(folder: string): Promise<string[]> {
  const open: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const mode = await modeOf(join(folder, name));
    if (mode !== undefined && (mode & OTHERS_MAY_READ) !== 0) open.push(name);
    if (open.length > MAX_NAMED) break;
  }
  return open;
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch {
    return undefined;
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, '0');
}
