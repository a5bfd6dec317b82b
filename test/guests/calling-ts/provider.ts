/** The twin of ../calling-as: sends the HTTP request that is its input, and returns what came back. */
import { send } from 'gtpack:plugin/http@0.1.0';
import { defineProvider, type Json } from 'gtpack/sdk';

export const { invoke } = defineProvider({
  invoke: { send: (input) => JSON.parse(send(JSON.stringify(input))) as Json },
});
