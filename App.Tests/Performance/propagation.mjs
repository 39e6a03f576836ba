// Many verifiers in one process; for each it prints when (ms since 1970) it begins to acknowledge, so has applied what was new.
// That is a little later than applying it, and costs nothing while nothing happens: whoever asks for stats all the time measures the asking.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // Node 18
const fetchPlainly = globalThis.fetch;
globalThis.fetch = (url, init) => {
  if (url.endsWith('/events/ack')) process.stdout.write(`${(performance.timeOrigin + performance.now()).toFixed(3)}\n`);
  return fetchPlainly(url, init);
};

const { gatehouse } = await import('./gatehouse.mjs');
const { ADDRESS, ISSUER, COUNT } = process.env;
for (let number = 0; number < Number(COUNT); number++)
  gatehouse({ issuer: ISSUER, audience: 'gatehouse', url: ADDRESS, clientId: 'measured', instance: `verifier-${number}` });
setInterval(() => {}, 60_000); // the verifiers' own timers keep no process alive
