// Many verifiers in one process; for each it prints when (ms since 1970) its cursor has moved, that is, an event has been applied.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // Node 18
const { gatehouse } = await import('./gatehouse.mjs');
const { ADDRESS, ISSUER, COUNT } = process.env;
const gates = Array.from({ length: Number(COUNT) }, (_, number) => ({
  gate: gatehouse({ issuer: ISSUER, audience: 'gatehouse', url: ADDRESS, clientId: 'measured', instance: `verifier-${number}` }), cursor: null,
}));

setInterval(() => {
  const now = performance.timeOrigin + performance.now();
  let lines = '';
  for (const entry of gates) {
    const { cursor } = entry.gate.stats();
    if (cursor === null || cursor === entry.cursor) continue;
    entry.cursor = cursor;
    lines += `${now.toFixed(3)}\n`;
  }
  if (lines) process.stdout.write(lines);
}, 1);
