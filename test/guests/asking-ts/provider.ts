/** Asks the host for effects, from a component. */
import { publish } from 'gtpack:plugin/bus@0.1.0';
import { defineProvider, type Json } from 'gtpack/sdk';

export const { invoke } = defineProvider({
  invoke: {
    publish: (input) => JSON.parse(publish(JSON.stringify(input))) as Json,
    echo: (input) => input,
  },
});
