// A service in Node as a team would write one, with the verifier that Gatehouse serves beside it.
import { webcrypto } from 'node:crypto';
import express from 'express';

globalThis.crypto ??= webcrypto; // Node 18
const { gatehouse } = await import('./gatehouse.mjs');
const { ISSUER, AUDIENCE, URL, WHEN_STALE, STALE_AFTER, NOW } = process.env;
const gate = gatehouse({
  issuer: ISSUER, audience: AUDIENCE, url: URL, whenStale: WHEN_STALE,
  ...(STALE_AFTER && { staleAfter: Number(STALE_AFTER) }), ...(NOW && { now: () => Number(NOW) }),
});

const app = express();
app.get('/stats', (req, res) => res.json(gate.stats()));
app.get('/gc', (req, res) => res.json(globalThis.gc())); // as any process does in time (--expose-gc)
app.get('/', gate, (req, res) => res.json({ id: req.user.sub, email: req.user.email }));

const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
// It ends by itself, when nothing is left to wait for.
process.once('SIGTERM', () => {
  server.close(() => gate.close());
  server.closeAllConnections();
});
