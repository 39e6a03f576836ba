/**
 * Gatehouse verifier for Node 20 and later: checks access tokens in this process, hears of sign-outs within moments.
 * One file, yours to keep and to change. It needs `jose` 6 (`npm install jose`) and nothing else.
 *   import { gatehouse } from './gatehouse.mjs'; // GATEHOUSE_CLIENT_SECRET is in the environment
 *   app.use(gatehouse({ issuer: 'https://id.example.com', audience: 'orders' }));
 *   app.get('/orders', (req, res) => res.json({ hello: req.user.email }));
 */
import { hostname } from 'node:os';
import { compactVerify, importJWK } from 'jose';

const SKEW = 30, SLACK = 900; // s by which two clocks may differ, and by which one may jump
const LONGEST_LIFE = 3600, LONGEST_TOKEN = 8192; // s that a token of ours may live, and its characters
const START_WITHIN = 5000; // ms that the first tokens wait for a heartbeat; past that the feed counts as stale
const SILENCE = 12_000, ANSWER_WITHIN = 5000; // ms without data before the feed is opened anew; for any other answer
const KEYS_AGE = 300_000, KEYS_PAUSE = 30_000; // ms between fetches of keys: all in the background; for unknown ids

/** Why a token isn't good: `reason` is one of a few fixed words, fit for a metric's label; it quotes no token. */
export class Refused extends Error {}
const refuse = (reason) => { throw Object.assign(new Refused(`token refused: ${reason}`), { reason }); };

/**
 * Express middleware: sets `req.user` and `req.currentUser` to the token's claims, or answers 401 (RFC 6750 section 3).
 * It has `verify(token)`, which gives the claims or throws a {@link Refused}, `stats()`, and for a stop `close()`.
 */
export function gatehouse({
  issuer, // Gatehouse's public address: the `iss` of its tokens, exactly
  audience, // the `aud` that tokens for this service bear
  url = issuer, // where Gatehouse is reached from here
  clientId = process.env.GATEHOUSE_CLIENT_ID ?? audience, // this service's id
  clientSecret = process.env.GATEHOUSE_CLIENT_SECRET,
  whenStale = 'introspect', // what happens past `staleAfter`: 'introspect' each token (RFC 7662), 'refuse' or 'accept'
  staleAfter = 15, // s since the feed's last word, above 0; below 6 the five-second heartbeat itself looks late
  instance = `${hostname()}-${process.pid}`.replace(/[^\w.-]/g, '-').slice(-64), // this process among its replicas
  cookie = 'session', // name of the session cookie
  now = () => Date.now() / 1000, // s since 1970
} = {}) {
  const inBounds = ['introspect', 'refuse', 'accept'].includes(whenStale) && staleAfter > 0;
  if (!issuer || !audience || !clientSecret || !inBounds)
    throw new TypeError('Gatehouse needs issuer, audience, GATEHOUSE_CLIENT_SECRET; whenStale, staleAfter in bounds.');
  const authorization = `Basic ${btoa([clientId, clientSecret].map(encodeURIComponent).join(':'))}`; // RFC 6749, 2.3.1
  const state = { connected: false, cursor: null, refusals: {}, introspections: 0, lastError: null };
  const failed = (error) => { state.lastError = error.message; };
  async function ask(path, { headers, body, signal = AbortSignal.timeout(ANSWER_WITHIN) } = {}) {
    const init = { method: body && 'POST', headers: { authorization, ...headers }, body, signal, redirect: 'error' };
    const response = await fetch(url + path, init);
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return response;
  }

  // Keys: all that are published, so that the next one is here before its first use; one fetch at a time.
  let keys = new Map(), fetching = Promise.resolve(), keysAt = -Infinity, missAt = -Infinity;
  function fetchKeys() {
    keysAt = performance.now();
    fetching = fetching.then(async () => {
      const response = await ask('/.well-known/jwks.json', { headers: { 'cache-control': 'no-cache' } });
      const usable = (await response.json()).keys.filter((jwk) => jwk.crv === 'P-256' && jwk.kid);
      keys = new Map(await Promise.all(usable.map(async (jwk) => [jwk.kid, await importJWK(jwk, 'ES256')])));
    }).catch((error) => { keysAt = -Infinity; failed(error); });
  }
  async function findKey(kid) {
    if (!keys.has(kid)) await fetching;
    if (!keys.has(kid) && performance.now() - missAt > KEYS_PAUSE) {
      missAt = performance.now();
      fetchKeys();
    }
    if (!keys.has(kid)) await fetching;
    return keys.get(kid) ?? refuse('unknown_key');
  }

  // The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
  const revoked = new Map(); // who → refuses tokens issued up to `notBefore`, until `expires`, when the last is gone
  let freshAt = -Infinity, acknowledged = null, acknowledging = Promise.resolve(), closed = false, connection, getReady;
  const ready = new Promise((resolve) => { getReady = resolve; });
  setTimeout(getReady, START_WITHIN).unref();
  const feedAge = () => (performance.now() - freshAt) / 1000;
  function apply({ type, sub, sid, kid, reason, notBefore = -Infinity, expires }) {
    const hold = (who, until, forgotten = Number.isFinite(expires) ? expires : Infinity) =>
      revoked.get(who)?.notBefore > until || revoked.set(who, { notBefore: until, expires: forgotten });
    if (type === 'signing-key-changed') keysAt = -Infinity;
    if (kid && reason === 'revoked') hold(`key ${kid}`, Infinity, Infinity); // for good: the key may stay here
    else if (sid) hold(`session ${sid}`, Infinity);
    else if (sub) hold(`user ${sub}`, notBefore);
  }
  function receive(message) {
    if (message.type) apply(message);
    else if (message.events) message.events.forEach(apply); // a snapshot, which may have been long on its way
    else { // a heartbeat: nothing is missing up to here, and what is held is never forgiven
      freshAt = performance.now();
      for (const [who, { expires }] of revoked) if (expires + SLACK < now()) revoked.delete(who);
      getReady();
    }
    Object.assign(state, { connected: true, cursor: message.cursor });
    inTurn();
    if (performance.now() - keysAt > KEYS_AGE) fetchKeys();
  }
  const inTurn = (leaving) => (acknowledging = acknowledging.then(() => acknowledge(leaving)).catch(failed));
  async function acknowledge(leaving = false) {
    await new Promise((done) => setImmediate(done)); // what has arrived is applied first
    const { cursor } = state;
    if (!leaving && (closed || cursor === acknowledged)) return;
    const told = JSON.stringify({ cursor: cursor ?? 0, instance, leaving });
    await ask('/events/ack', { body: new Blob([told], { type: 'application/json' }) });
    acknowledged = cursor;
  }
  async function follow(failures = 0) {
    connection = new AbortController();
    const silence = setTimeout(() => connection.abort(new Error('the feed fell silent')), SILENCE);
    try {
      const { body } = await ask(`/events?instance=${instance}&cursor=${state.cursor ?? ''}`, connection);
      const feed = body.getReader(), utf8 = new TextDecoder();
      connection.signal.onabort = () => feed.cancel().catch(() => {}); // fetch forgets it with the garbage
      for (let rest = '', chunk; !(chunk = await feed.read()).done;) {
        silence.refresh();
        const lines = utf8.decode(chunk.value, { stream: true }).split('\n');
        lines[0] = rest + lines[0];
        rest = lines.pop();
        for (const line of lines) if (line.startsWith('data:')) receive(JSON.parse(line.slice(5)));
      }
      connection.signal.throwIfAborted();
    } catch (error) { failed(error); }
    clearTimeout(silence);
    const inARow = state.connected ? 1 : failures + 1;
    state.connected = false;
    setTimeout(() => closed || follow(inARow), Math.min(2000, 50 * 2 ** inARow) * (0.5 + Math.random() / 2)).unref();
  }
  follow();

  async function check(token) {
    const { kid, claims } = readToken(token, issuer, audience, now());
    await ready;
    await compactVerify(token, await findKey(kid), { algorithms: ['ES256'] }).catch(() => refuse('signature'));
    for (const [who, id] of Object.entries({ key: kid, session: claims.sid, user: claims.sub })) // no wait after
      if (claims.iat <= revoked.get(`${who} ${id}`)?.notBefore) refuse(`${who}_revoked`);
    if ((!closed && feedAge() <= staleAfter) || whenStale === 'accept') return claims;
    if (whenStale === 'refuse') refuse('stale');
    state.introspections++; // the answer is for this request alone
    const active = await ask('/connect/introspect', { body: new URLSearchParams({ token }) })
      .then((response) => response.json()).then((answer) => answer.active).catch(() => refuse('introspection_failed'));
    return active === true ? claims : refuse('inactive');
  }
  const counted = (decision) => decision.catch((error) => {
    state.refusals[error.reason] = (state.refusals[error.reason] ?? 0) + 1;
    throw error;
  });
  const judge = (headers) => counted(readCredentials(headers, cookie).then(check));
  const middleware = (req, res, next) => judge(req.headersDistinct ?? req.headers).then((claims) => {
    req.user = req.currentUser = claims;
    next();
  }, ({ reason }) => {
    const challenge = `Bearer error="invalid_token", error_description="${reason}"`;
    res.writeHead(401, { 'content-type': 'application/problem+json', 'www-authenticate': challenge });
    res.end('{"title":"Not authorized","status":401,"errors":[{"message":"Not authorized"}]}');
  });
  return Object.assign(middleware, {
    verify: (token) => counted(check(token)),
    stats: () => ({ ...structuredClone(state), feedAgeSeconds: feedAge(), revocationsHeld: revoked.size }),
    // Says goodbye: no sign-out waits for this process any more, and its feed counts as stale.
    close: () => { connection.abort(); return inTurn(closed = true); },
  });
}

/** The bearer token, which decides alone (RFC 6750 section 2.1), else the cookie's: base64 of {"jwt":"…"}. */
export async function readCredentials({ authorization, cookie = '' }, name = 'session') { // either may be a list
  if (/bearer/i.test(authorization)) return /^bearer +(.*)$/is.exec(authorization)?.[1];
  const all = [cookie].flat().join(';'), apart = all.replace(/,[^;]*/g, ''); // a browser keeps commas in a value
  const ours = (text) => text.split(/[;,]/).map((pair) => pair.trim()).filter((pair) => pair.startsWith(`${name}=`));
  const pairs = [apart, all].map(ours).find((found) => found.length > 0) ?? refuse('missing');
  const bytes = Buffer.from(pairs[0].slice(name.length + 1), 'base64'), sound = `${name}=${bytes.toString('base64')}`;
  return pairs.every((pair) => pair === sound) ? readObject(bytes).jwt : refuse('malformed');
}

/** The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2. */
function readToken(token, issuer, audience, now) {
  if (typeof token !== 'string' || token.length > LONGEST_TOKEN) refuse('malformed');
  const parts = token.split('.').map((part) => Buffer.from(part, 'base64url'));
  const spelling = parts.map((part) => part.toString('base64url')).join('.');
  if (parts.length !== 3 || spelling !== token) refuse('malformed'); // one token has one spelling
  const { alg, typ, kid, ...others } = readObject(parts[0]), claims = readObject(parts[1]);
  const plain = ['crit', 'b64', 'zip'].every((name) => !(name in others)) && typeof kid === 'string';
  if (alg !== 'ES256' || typ !== 'at+jwt' || !plain) refuse('header');
  const { iss, aud, sub, id, sid, iat, exp, nbf = iat } = claims;
  if (iss !== issuer) refuse('issuer');
  if (![aud].flat().includes(audience)) refuse('audience');
  if (id !== sub || ![sub, sid].every((value) => value && typeof value === 'string')) refuse('claims');
  if (![iat, exp, nbf].every(Number.isSafeInteger)) refuse('claims');
  if (exp + SKEW <= now) refuse('expired');
  if (Math.max(iat, nbf) - SKEW > now) refuse('not_yet_valid');
  if (exp <= Math.max(iat, nbf) || exp - iat > LONGEST_LIFE) refuse('claims');
  return { kid, claims };
}

/** One JSON object in UTF-8, no member named twice at any depth, no number as 1e9: JSON.parse would forget either. */
function readObject(bytes) {
  const bare = (json) => json.replace(/"(?:[^"\\]|\\.)*"|\s/g, ''); // all but the texts
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), object = JSON.parse(text);
    return bare(text)[0] === '{' && bare(text) === bare(JSON.stringify(object)) ? object : refuse('malformed');
  } catch { return refuse('malformed'); }
}
