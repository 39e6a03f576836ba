const credentials = ['{client_id}', process.env.GATEHOUSE_CLIENT_SECRET].map(encodeURIComponent).join(':');

/** The claims of whoever is calling, or null. Gatehouse is asked each time (RFC 7662), so nothing here can be out of date. */
export async function whoIsCalling({ authorization, cookie }) {
  const token = authorization ? /^Bearer (\S+)$/i.exec(authorization)?.[1] : inCookie(cookie);
  if (!token) return null;
  const answer = await fetch('{issuer}/connect/introspect', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(credentials)}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(2000),
  });
  if (!answer.ok) throw new Error(`Gatehouse answered ${answer.status}.`);
  const claims = await answer.json();
  return claims.active ? claims : null;
}

// The session cookie is base64 of {"jwt":"..."}.
function inCookie(cookie = '') {
  const value = /(?:^|;\s*){session_cookie}=([^;]+)/.exec(cookie)?.[1];
  try { return value && JSON.parse(atob(value)).jwt; } catch { return null; }
}
