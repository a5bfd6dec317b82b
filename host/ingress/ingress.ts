/**
 * The HTTP door. Siblings, in the order a request meets them:
 *
 * - `server.ts`     Fastify: routes, timeouts, sizes, and every answer in our own words
 * - `listening.ts` the port, and errors before there is a request
 * - `route.ts`      which provider of which tenant a URL means
 * - `directory.ts`  tenants and their providers, by name
 * - `body.ts`       reads a body as bytes, within a cap and a budget
 * - `request.ts`    makes the request that a guest sees
 * - `signature/`    signatures, checked before anything of a request is parsed
 * - `in-flight.ts` how many requests of each tenant are under way
 * - `exchange.ts`   provider → bus → answer
 * - `delivery.ts`   what ingress needs of the cell, the bus and the flows
 * - `waiters.ts`    requests that wait for a flow's answer
 * - `answer.ts`     checks an answer made by a guest or a flow
 * - `refusal.ts`    errors as a sender sees them
 *
 * Invariants, cited where the code keeps them and in the titles of tests:
 *
 * - I1 a sender that gets 202 has its events durable (B1).
 * - I2 a body is never parsed in this process, but for the pairs of a form that a signature of Twilio's covers, which
 *   are bounded in number before.
 * - I3 whatever a sender gets that is no answer of a guest is JSON with a code and a message; no stack, no class
 *   name, no path.
 * - I4 a tenant over its share of requests in flight is refused; the others are not.
 * - I5 what a request holds (bytes of its body, its place in flight, its wait) is given back however it ends.
 * - I6 where a bundle names signatures, what is not signed reaches no guest.
 */
export type { IngressDelivery, IngressFault } from './delivery.ts';
export {
  createDirectory,
  type DirectoryEntry,
  type IngressDirectory,
  type IngressProvider,
  type IngressTenant,
} from './directory.ts';
export { type IngressOptions, type IngressServer, openIngress } from './server.ts';
export { verifierOf } from './signature/verifier.ts';
