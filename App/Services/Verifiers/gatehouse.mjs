/**
 * Gatehouse verifier for Node 20 and later: checks access tokens in this process and learns of sign-outs within milliseconds.
 * One file, yours to keep and to change. It needs `jose` 6 (`npm install jose`) and nothing else.
 *
 *   import { gatehouse } from './gatehouse.mjs';                                     // GATEHOUSE_CLIENT_SECRET is in the environment
 *   app.use(gatehouse({ issuer: 'https://id.example.com', audience: 'orders' }));
 *   app.get('/orders', (req, res) => res.json({ hello: req.user.email }));
 *
 * Public keys come from /.well-known/jwks.json. One connection to /events (server-sent events) brings every revocation in force,
 * then each new one, and a heartbeat every 5 s. No token is accepted before that first snapshot.
 */
import { hostname } from 'node:os';
import { compactVerify, importJWK } from 'jose';

const SKEW = 30, LONGEST_LIFE = 3600, LONGEST_TOKEN = 8192; // s by which two clocks may differ; s that a token may live; characters
const START_WITHIN = 5000; // ms that the first tokens wait for the snapshot; past that the feed counts as stale
const SILENCE = 12_000, ANSWER_WITHIN = 5000; // ms without data after which the feed is opened anew; ms for any other request
const KEYS_AGE = 300_000, KEYS_PAUSE = 30_000; // ms between fetches in the background; between those that unknown key ids cause

/** Why a token isn't good: `reason` is one of a few fixed words, fit for a metric's label; it never quotes the token. */
export class Refused extends Error { constructor(reason) { super(`token refused: ${reason}`); this.reason = reason; } }
const refuse = (reason) => { throw new Refused(reason); };

/**
 * Express middleware, with `verify(token)`, `stats()` and `close()` on it.
 * @param {object} options
 * @param {string} options.issuer         Gatehouse's public address: the `iss` of its tokens, exactly
 * @param {string} options.audience       the `aud` that tokens for this service bear
 * @param {string} [options.url]          where Gatehouse is reached from here, by default the issuer
 * @param {string} [options.clientId]     this service's id, by default GATEHOUSE_CLIENT_ID or else the audience
 * @param {string} [options.clientSecret] its secret, by default GATEHOUSE_CLIENT_SECRET
 * @param {'introspect'|'refuse'|'accept'} [options.whenStale] while the feed is older than `staleAfter`: ask Gatehouse about
 *   each token (RFC 7662; the default), refuse every token, or accept on local checks alone
 * @param {number} [options.staleAfter]   seconds, above 0, by default 15; below 6 the five-second heartbeat itself looks late
 * @param {string} [options.instance]     this process among its replicas, by default host name and process id
 * @param {string} [options.cookie]       name of the session cookie, by default `session`
 * @param {() => number} [options.now]    seconds since 1970
 */
export function gatehouse({
  issuer, audience, url = issuer, clientId = process.env.GATEHOUSE_CLIENT_ID ?? audience, clientSecret = process.env.GATEHOUSE_CLIENT_SECRET,
  whenStale = 'introspect', staleAfter = 15, instance = `${hostname()}-${process.pid}`, cookie = 'session', now = () => Date.now() / 1000,
} = {}) {
  if (!issuer || !audience || !clientSecret) throw new TypeError('Gatehouse needs issuer, audience and clientSecret.');
  if (!['introspect', 'refuse', 'accept'].includes(whenStale) || !(staleAfter > 0)) throw new TypeError('Gatehouse: whenStale or staleAfter is out of bounds.');
  instance = instance.replace(/[^\w.-]/g, '-').slice(-64);
  const authorization = `Basic ${Buffer.from([clientId, clientSecret].map(encodeURIComponent).join(':')).toString('base64')}`; // RFC 6749 section 2.3.1
  async function ask(path, init) {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(ANSWER_WITHIN), redirect: 'error', ...init });
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return response;
  }

  // Keys. All that are published are taken, so that the next one is here before its first use.
  let keys = new Map(), fetching = null, keysAt = -Infinity, missAt = -Infinity, lastError = null;
  function fetchKeys() { // whoever comes while one fetch is under way shares it
    return fetching ??= ask('/.well-known/jwks.json', { headers: { 'cache-control': 'no-cache' } }).then(async (response) => {
      const usable = (await response.json()).keys.filter((jwk) => jwk.crv === 'P-256' && jwk.kid);
      keys = new Map(await Promise.all(usable.map(async (jwk) => [jwk.kid, await importJWK(jwk, 'ES256')])));
      keysAt = performance.now();
    }).catch((error) => { lastError = error.message; }).finally(() => { fetching = null; });
  }
  async function findKey(kid) {
    if (!keys.has(kid) && !fetching && performance.now() - missAt > KEYS_PAUSE) { missAt = performance.now(); fetchKeys(); }
    if (!keys.has(kid)) await fetching;
    return keys.get(kid) ?? refuse('unknown_key');
  }

  // The feed. An entry refuses tokens issued at or before its `notBefore`, and is held until the last of them has expired.
  const revoked = new Map();
  let cursor = null, acked = null, acking = false, freshAt = -Infinity, connected = false, closed = false, connection, becomeReady;
  const ready = new Promise((resolve) => { becomeReady = resolve; setTimeout(resolve, START_WITHIN).unref(); });
  const feedAge = () => (performance.now() - freshAt) / 1000;
  function hold(id, notBefore, expires) {
    if (notBefore >= (revoked.get(id)?.notBefore ?? 0)) revoked.set(id, { notBefore, expires });
  }
  function apply({ type, sid, sub, kid, notBefore, expires, reason }) {
    if (type === 'signing-key-changed') {
      if (reason === 'revoked') hold(`kid ${kid}`, Infinity, expires);
      Promise.resolve(fetching).then(fetchKeys); // a fetch under way may have begun before the change
    } else if (sid) hold(`sid ${sid}`, Infinity, expires);
    else if (sub) hold(`sub ${sub}`, notBefore, expires);
  }
  function receive(message) { // a snapshot has `events`, an event has a `type`, a heartbeat only the cursor
    if (message.type) apply(message);
    else { // what is held is never forgiven, and nothing is missing up to here
      message.events?.forEach(apply);
      freshAt = performance.now();
      for (const [id, { expires }] of revoked) if (expires + SKEW < now()) revoked.delete(id);
      if (freshAt - keysAt > KEYS_AGE) fetchKeys();
    }
    cursor = message.cursor;
    becomeReady();
    acknowledge();
  }
  async function acknowledge() { // only the newest cursor, one request at a time, in nobody's way; the next heartbeat tries again
    if (acking) return;
    acking = true;
    try {
      for (let reached = cursor; acked !== reached; acked = reached, reached = cursor)
        await ask('/events/ack', { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify({ cursor: reached, instance }) });
    } catch (error) { lastError = error.message; }
    acking = false;
  }
  async function follow(failures = 0) {
    if (keys.size === 0) fetchKeys();
    connection = new AbortController();
    const silent = setTimeout(() => connection.abort(new Error('the feed fell silent')), SILENCE);
    try {
      const resume = cursor === null ? {} : { 'last-event-id': `${cursor}` };
      const { body } = await ask(`/events?instance=${instance}`, { headers: { authorization, accept: 'text/event-stream', ...resume }, signal: connection.signal });
      let rest = '';
      for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
        silent.refresh();
        rest += chunk;
        if (!chunk.includes('\n')) continue;
        const lines = rest.split('\n');
        rest = lines.pop();
        for (const line of lines) if (line.startsWith('data:')) { receive(JSON.parse(line.slice(5))); failures = 0; connected = true; }
      }
    } catch (error) { lastError = error.message; }
    clearTimeout(silent);
    connected = false;
    if (!closed) setTimeout(follow, Math.min(2000, 100 * 2 ** failures) * (0.5 + Math.random() / 2), failures + 1).unref();
  }
  follow();

  // The decision.
  const refusals = {}, counted = { introspections: 0 };
  async function check(token) {
    const { kid, claims } = readToken(token, issuer, audience, now());
    await ready;
    const key = await findKey(kid);
    await compactVerify(token, key, { algorithms: ['ES256'] }).catch(() => refuse('signature'));
    // Nothing is waited for from here on, so that no revocation slips in between.
    for (const [name, id] of [['key', `kid ${kid}`], ['session', `sid ${claims.sid}`], ['user', `sub ${claims.sub}`]])
      if (claims.iat <= revoked.get(id)?.notBefore) refuse(`${name}_revoked`);
    if (feedAge() <= staleAfter || whenStale === 'accept') return claims;
    if (whenStale === 'refuse') refuse('stale');
    counted.introspections++; // the answer is for this request alone
    const answer = await ask('/connect/introspect', { method: 'POST', headers: { authorization }, body: new URLSearchParams({ token }) })
      .then((response) => response.json()).catch(() => refuse('introspection_failed'));
    return answer.active === true ? claims : refuse('inactive');
  }
  /** The token's claims, or throws a {@link Refused}. */
  const verify = (token) => check(token).catch((error) => {
    refusals[error.reason] = (refusals[error.reason] ?? 0) + 1;
    throw error;
  });
  /** Sets `req.user` and `req.currentUser` to the claims, or answers 401 (RFC 6750 section 3) as problem+json. */
  const middleware = (req, res, next) => readCredentials(req.headers, cookie).then(verify).then((claims) => { req.user = req.currentUser = claims; next(); }, (error) => {
    const challenge = error.reason ? `Bearer error="invalid_token", error_description="${error.reason}"` : 'Bearer';
    res.writeHead(401, { 'content-type': 'application/problem+json', 'www-authenticate': challenge });
    res.end(JSON.stringify({ title: 'Not authorized', status: 401, errors: [{ message: 'Not authorized' }] }));
  });
  return Object.assign(middleware, {
    verify,
    stats: () => ({ connected, cursor, feedAgeSeconds: cursor === null ? null : feedAge(), revocationsHeld: revoked.size, refusals: { ...refusals }, ...counted, lastError }),
    close() { closed = true; connection.abort(); },
  });
}

/** The bearer token, which decides alone where there is one (RFC 6750 section 2.1), else the one in the cookie: base64 of {"jwt":"…"}. */
export async function readCredentials({ authorization, cookie = '' }, name = 'session') {
  if (/bearer/i.test(authorization)) return /^bearer (.*)$/is.exec(authorization)?.[1];
  const values = new Set(cookie.split(/[;,]/).map((pair) => pair.trim()).filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1)));
  if (values.size === 0) refuse('missing');
  const [value] = values, bytes = Buffer.from(value, 'base64'); // two different values are a sign of tampering
  return values.size === 1 && bytes.toString('base64') === value ? readObject(bytes).jwt : refuse('malformed');
}

/** The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10 and 3.11, RFC 9068 section 2. No key is involved yet. */
function readToken(token, issuer, audience, now) {
  if (typeof token !== 'string' || token.length > LONGEST_TOKEN || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) refuse('malformed');
  const parts = token.split('.').map((part) => Buffer.from(part, 'base64url'));
  if (parts.map((part) => part.toString('base64url')).join('.') !== token) refuse('malformed'); // one token has one spelling
  const header = readObject(parts[0]), claims = readObject(parts[1]);
  if (header.alg !== 'ES256' || header.typ !== 'at+jwt' || typeof header.kid !== 'string' || ['crit', 'b64', 'zip'].some((name) => name in header)) refuse('header');
  if (parts[2].length !== 64) refuse('signature'); // R and S of P-256, RFC 7518 section 3.4
  const { iss, aud, sub, id, sid, iat, exp, nbf = iat } = claims;
  if (iss !== issuer) refuse('issuer');
  if (aud !== audience && !(Array.isArray(aud) && aud.includes(audience))) refuse('audience');
  if (!sub || ![sub, sid].every((value) => typeof value === 'string') || id !== sub || ![iat, exp, nbf].every(Number.isSafeInteger)) refuse('claims');
  if (exp + SKEW <= now) refuse('expired');
  if (Math.max(iat, nbf) - SKEW > now) refuse('not_yet_valid');
  if (exp <= Math.max(iat, nbf) || exp - iat > LONGEST_LIFE) refuse('claims');
  return { kid: header.kid, claims };
}

/** One JSON object in UTF-8 in which no member is named twice, at any depth; JSON.parse alone keeps the last of the two. */
function readObject(bytes) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), object = JSON.parse(text), open = [];
    for (const [part, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g)) {
      if (part === '{') open.push(new Set());
      else if (part === '}') open.pop();
      else if (colon && open.at(-1).size === open.at(-1).add(JSON.parse(part.slice(0, -colon.length))).size) refuse('malformed');
    }
    return text.trimStart()[0] === '{' ? object : refuse('malformed');
  } catch { return refuse('malformed'); }
}
