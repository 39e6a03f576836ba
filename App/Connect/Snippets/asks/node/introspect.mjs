const secret = process.env.GATEHOUSE_CLIENT_SECRET;
if (!secret) throw new Error('Set GATEHOUSE_CLIENT_SECRET to the secret of {client_id}.');
const credentials = ['{client_id}', secret].map(encodeURIComponent).join(':');

/** The claims of whoever is calling, or null; throws while Gatehouse is away. It is asked each time (RFC 7662), so nothing here can be out of date. */
export async function whoIsCalling({ authorization, cookie }) {
  const token = authorization ? /^Bearer +(\S+)$/i.exec(authorization)?.[1] : inCookie(cookie);
  if (!token) return null;
  const answer = await fetch('{issuer}/connect/introspect', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(credentials)}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(2000),
  });
  if (!answer.ok) throw new Error(`Gatehouse answered ${answer.status}.`);
  const claims = await answer.json();
  return isPerson(claims) ? claims : null;
}

// A refresh token, or a service's own, is active too, but nobody is calling with it.
function isPerson({ active, token_type, sid, aud }) {
  return active === true && token_type === 'Bearer' && typeof sid === 'string' && [aud].flat().includes('{audience}');
}

// The session cookie is base64 of {"jwt":"..."}.
function inCookie(cookie = '') {
  const value = /(?:^|;\s*){session_cookie}=([^;]+)/.exec(cookie)?.[1];
  try { return value && JSON.parse(atob(value)).jwt; } catch { return null; }
}
