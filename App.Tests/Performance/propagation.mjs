// Many verifiers in one process; for each it prints when (ms since 1970) it was told something new, which it applies in the same turn.
// What is printed waits for the turn's end, and nothing is asked of the verifiers: whoever does that all the time measures the asking.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // Node 18
const parse = JSON.parse;
let told = [];
JSON.parse = (text, ...more) => {
  const message = parse(text, ...more);
  if (message?.type || message?.events) {
    if (told.length === 0) setImmediate(() => { process.stdout.write(`${told.join('\n')}\n`); told = []; });
    told.push((performance.timeOrigin + performance.now()).toFixed(3));
  }
  return message;
};

const { gatehouse } = await import('./gatehouse.mjs');
const { ADDRESS, ISSUER, COUNT } = process.env;
for (let number = 0; number < Number(COUNT); number++)
  gatehouse({ issuer: ISSUER, audience: 'gatehouse', url: ADDRESS, clientId: 'measured', instance: `verifier-${number}` });
setInterval(() => {}, 60_000); // the verifiers' own timers keep no process alive
