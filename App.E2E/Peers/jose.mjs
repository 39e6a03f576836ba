// A service that knows nothing but our JWKS address.
import { createServer } from 'node:http';
import { webcrypto } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify } from 'jose';

globalThis.crypto ??= webcrypto;
const { JWKS, ISSUER, AUDIENCE } = process.env;
const keys = createRemoteJWKSet(new URL(JWKS));

const server = createServer(async (req, res) => {
  const token = req.headers.authorization?.replace(/^Bearer /, '') ?? '';
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', algorithms: ['ES256'] });
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(payload));
  } catch (error) {
    res.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: error.code }));
  }
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
