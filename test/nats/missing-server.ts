import type { Reporter } from 'vitest/node';

/** Says below the summary that tests were left out, and how to have them run. */
export class MissingServerNotice implements Reporter {
  onTestRunEnd(): void {
    process.stderr.write(
      '\n No nats-server was found: the tests of the bus on NATS were skipped.\n' +
        ' Install it with `apt-get install nats-server`, or from https://github.com/nats-io/nats-server/releases, and have it on the PATH.\n\n',
    );
  }
}
