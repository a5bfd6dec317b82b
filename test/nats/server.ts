import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where the program is, or undefined on a machine without it. */
export function natsServerPath(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'nats-server')).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface NatsServerOptions {
  /** The whole configuration, but for port and store; default: JetStream, nobody logs in. */
  readonly config?: string;
}

/** A real `nats-server` with JetStream, on a free port of loopback, in a temporary folder. */
export class NatsServer {
  readonly port: number;
  readonly folder: string;
  readonly #config: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string, config: string) {
    this.port = port;
    this.folder = folder;
    this.#config = config;
  }

  static async start({ config = '' }: NatsServerOptions = {}): Promise<NatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'gtpack-nats-'));
    const server = new NatsServer(await freePort(), folder, config);
    await server.restart();
    return server;
  }

  get url(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it again on what it stored. */
  async restart(): Promise<void> {
    const file = join(this.folder, 'nats.conf');
    const store = JSON.stringify(join(this.folder, 'store'));
    const jetstream = /^\s*jetstream\b/m.test(this.#config) ? '' : `jetstream { store_dir: ${store} }\n`;
    const text = `listen: "127.0.0.1:${this.port}"\n${jetstream}${this.#config}`.replaceAll(
      '{store_dir}',
      join(this.folder, 'store'),
    );
    await writeFile(file, text);
    this.#child = await startServer(file);
  }

  /** Ends it, at once with SIGKILL. What it stored stays. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await end(child, signal);
  }

  /** Stops it where it stands, as a partition or a pause of the machine does; SIGCONT goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill('SIGCONT');
    await this.stop('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Three servers that keep every stream three times. */
export class NatsCluster {
  readonly #nodes: readonly ClusterNode[];
  readonly #folder: string;

  private constructor(nodes: readonly ClusterNode[], folder: string) {
    this.#nodes = nodes;
    this.#folder = folder;
  }

  static async start(): Promise<NatsCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'gtpack-nats-'));
    const ports: { readonly port: number; readonly routePort: number }[] = [];
    for (let at = 0; at < 3; at += 1) ports.push({ port: await freePort(), routePort: await freePort() });
    const routes = ports.map(({ routePort }) => `"nats-route://127.0.0.1:${routePort}"`).join(', ');
    const nodes: ClusterNode[] = [];
    for (const [at, { port, routePort }] of ports.entries()) {
      const file = join(folder, `node-${at}.conf`);
      await writeFile(
        file,
        [
          `server_name: "node-${at}"`,
          `listen: "127.0.0.1:${port}"`,
          `jetstream { store_dir: ${JSON.stringify(join(folder, `node-${at}`))} }`,
          `cluster { name: "gtpack", listen: "127.0.0.1:${routePort}", routes: [${routes}] }`,
        ].join('\n'),
      );
      nodes.push({ file, port, child: undefined });
    }
    const cluster = new NatsCluster(nodes, folder);
    await Promise.all(nodes.map((_, at) => cluster.restart(at)));
    return cluster;
  }

  get servers(): string[] {
    return this.#nodes.map(({ port }) => `127.0.0.1:${port}`);
  }

  async restart(at: number): Promise<void> {
    const node = this.#node(at);
    node.child = await startServer(node.file);
  }

  async stop(at: number, signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    const node = this.#node(at);
    const { child } = node;
    node.child = undefined;
    await end(child, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((_, at) => this.stop(at)));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #node(at: number): ClusterNode {
    const node = this.#nodes[at];
    if (node === undefined) throw new RangeError(`no node ${at}`);
    return node;
  }
}

interface ClusterNode {
  readonly file: string;
  readonly port: number;
  child: ChildProcess | undefined;
}

/** Resolves once it takes clients. */
async function startServer(configFile: string): Promise<ChildProcess> {
  const program = natsServerPath();
  if (program === undefined) throw new Error('There is no nats-server here: apt-get install nats-server');
  const log = `${configFile}.log`;
  const child = spawn(program, ['-c', configFile, '-l', log], { stdio: 'ignore' });
  const ended = once(child, 'exit').then(() => 'ended' as const);
  for (;;) {
    const text = await readFile(log, 'utf8').catch(() => '');
    // A log is written on by each start.
    if (text.slice(text.lastIndexOf('Starting nats-server')).includes('Server is ready')) return child;
    const turn = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10))]);
    if (turn === 'ended') throw new Error(`nats-server ended:\n${text}`);
  }
}

async function end(child: ChildProcess | undefined, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
