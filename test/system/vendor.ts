import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Something that flows send requests to. It is gone at the end of the test. */
export interface Vendor {
  readonly origin: string;
  /** `METHOD /path` of each request, in order. */
  readonly asked: string[];
}

/** @param answer gets each request's path once its body is there */
export async function startVendor(answer: (path: string, response: ServerResponse) => void): Promise<Vendor> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      asked.push(`${request.method} ${request.url}`);
      answer(request.url ?? '/', response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
