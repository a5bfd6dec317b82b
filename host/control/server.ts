import { chmod, lstat, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errorMessage, GtpackError } from '../errors.ts';
import { serveConnection } from './connection.ts';
import type { ControlHost } from './protocol.ts';
import { controlSocketPath, dialledPath, fitsSocket } from './socket-path.ts';

export interface ControlServer {
  /** What `ls` shows: the socket, or the link to it. */
  readonly path: string;
  /** Cuts every client and removes the socket. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;

/**
 * Opens the control socket of a bundle's folder.
 *
 * The socket is made in a new folder that only this user can enter, given mode 0600, and then moved to its place: so
 * nobody can reach it before (C1), and the socket that a dead host left is replaced in one step.
 * @throws GtpackError `control_socket_in_use` (C2), `control_socket_unusable`
 */
export async function openControl(bundleDir: string, host: ControlHost): Promise<ControlServer> {
  await assertNoHost(bundleDir);
  const path = controlSocketPath(bundleDir);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveConnection(socket, host);
  });
  server.maxConnections = MAX_CONNECTIONS;
  let place: SocketPlace;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    place = await putInPlace(server, path);
  } catch (error) {
    server.close();
    throw unusable(path, error);
  }
  const inode = (await lstat(path)).ino;
  return {
    path,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      // A later host may have put its own here.
      const now = await lstat(path).catch(() => undefined);
      if (now?.ino === inode) await rm(path, { force: true });
      if (place.folder !== undefined) await rm(place.folder, { recursive: true, force: true });
    },
  };
}

/** @throws GtpackError `control_socket_in_use` when a host of this folder answers */
export async function assertNoHost(bundleDir: string): Promise<void> {
  const path = controlSocketPath(bundleDir);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket() && !found.isSymbolicLink()) {
    throw new GtpackError(
      'control_socket_unusable',
      `${path} is where the control socket goes, and it is no socket.`,
      {
        cure: 'Move it away.',
      },
    );
  }
  if (!(await answers(bundleDir))) return;
  throw new GtpackError(
    'control_socket_in_use',
    `A host is running in ${bundleDir} already; its socket is ${path}.`,
    {
      cure: 'Stop it first, or start this one with another bundle.',
    },
  );
}

async function answers(bundleDir: string): Promise<boolean> {
  let dialled: string;
  try {
    dialled = await dialledPath(bundleDir);
  } catch {
    return false;
  }
  return await new Promise((resolve) => {
    const socket = connect(dialled, () => {
      socket.destroy();
      resolve(true);
    });
    // Refused or gone: whoever made it is dead. A full queue means that someone is there.
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'));
  });
}

interface SocketPlace {
  /** A folder elsewhere that has to go with the socket. */
  readonly folder?: string;
}

async function putInPlace(server: Server, path: string): Promise<SocketPlace> {
  if (fitsSocket(path) && fitsSocket(join(dirname(path), 's-XXXXXX', 's'))) {
    const folder = await mkdtemp(join(dirname(path), 's-'));
    try {
      await bind(server, join(folder, 's'));
      await rename(join(folder, 's'), path);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return {};
  }
  const folder = await mkdtemp(join(tmpdir(), 'gtpack-'));
  try {
    const socket = join(folder, 's');
    await bind(server, socket);
    const link = join(folder, 'link');
    await symlink(socket, link);
    // Moved rather than made in place: the old link goes in the same step. Across file systems it can't be moved.
    await rename(link, path).catch(async () => {
      await rm(path, { force: true });
      await symlink(socket, path);
    });
    return { folder };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function bind(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  await chmod(path, 0o600);
}

function unusable(path: string, cause: unknown): GtpackError {
  return new GtpackError(
    'control_socket_unusable',
    `The control socket ${path} can't be made: ${errorMessage(cause)}.`,
    { cure: 'The folder of the bundle must be on a local disk, and writable.', cause },
  );
}
