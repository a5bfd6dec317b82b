/** What the scripts of made components begin with: the engine has no TextDecoder. */
export const TEXT_BYTES = `
const toBytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));
const toText = (bytes) => decodeURIComponent(escape(Array.from(bytes, (b) => String.fromCharCode(b)).join('')));
`;

/** A schema-core-api whose operations are those of \`operations\`: JSON in, JSON out. */
export const SCHEMA_CORE_SCRIPT = `${TEXT_BYTES}
const json = (value) => toBytes(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v)));
export const schemaCoreApi = {
  describe: () => json({ provider_type: 'test', ops: Object.keys(operations) }),
  healthcheck: () => json({ status: 'ok' }),
  validateConfig: (config) => json({ valid: true, config: JSON.parse(toText(config)) }),
  invoke: (op, input) => {
    try {
      return json(operations[op](JSON.parse(toText(input))));
    } catch (error) {
      if (error.payload === undefined) throw error;
      return json({ caught: error.payload });
    }
  },
};
`;
