#!/usr/bin/env node
// Plain JavaScript that an old Node can read, so that it can say what is wrong instead of failing on a syntax.
// biome-ignore lint/style/useNodejsImportProtocol: Node 12 does not know the protocol.
import { existsSync } from 'fs';

const NEEDED = 26;

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  console.error(
    `gtpack needs Node ${NEEDED} or newer and this is Node ${process.versions.node}: in a checkout run it as "npm run -s gtpack -- ...", which brings its own Node, or install a newer one from https://nodejs.org.`,
  );
  process.exitCode = 1;
} else {
  // A checkout runs its sources; what is published is compiled.
  const main = existsSync(new URL('./main.ts', import.meta.url)) ? './main.ts' : './main.js';
  import(main)
    .then((entry) => entry.main())
    .catch((error) => {
      console.error(`gtpack failed to start: ${error.message}`);
      process.exitCode = 1;
    });
}
