// Passkeys: a button where the browser knows them, and an offer in the e-mail field where it can.
const confirmPage = '/account/confirm';

const post = async (path, body = {}) => {
  const answer = await fetch(`/api/passkeys/${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const json = answer.status === 204 ? null : await answer.json();
  if (answer.ok) return json;
  if (json.code === 'proof_required') location.assign(`${confirmPage}?returnUrl=${encodeURIComponent(location.pathname)}`);
  else if (answer.status === 401 && !path.startsWith('sign-in')) location.assign(location.pathname + location.search); // the session has ended: the page itself leads to sign-in
  else throw new Error(json.title);
  throw new DOMException('The next page says why.', 'AbortError');
};

// begin -> the browser asks the person -> finish
const kinds = {
  'sign-in': { path: 'sign-in', ask: get },
  confirm: { path: 'confirm', ask: get },
  add: { path: 'add', ask: options => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }) },
};

function get(options, more) {
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), ...more });
}

async function run(place, more, onChosen) {
  const { path, ask } = kinds[place.dataset.passkey];
  const { challenge, target } = place.dataset;
  const begun = await post(`${path}/begin`, { challenge });
  const credential = await ask(begun.options, more);
  onChosen?.();
  const done = await post(`${path}/finish`, { handle: begun.handle, credential, challenge });
  location.assign(path === 'add' ? `${target}?added=${done.id}` : target);
}

if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const place of document.querySelectorAll('[data-passkey]')) {
    const [fault, button] = [place.querySelector('.fault'), place.querySelector('button')];
    let offered, renewal;
    place.classList.add('ready');

    const say = error => {
      if (error.name === 'AbortError') return;
      fault.role = 'alert';
      fault.textContent = place.dataset.failed;
      fault.hidden = false;
    };

    // A challenge lives for five minutes, and a page may be open for longer. Nobody has asked for it: what fails isn't theirs to hear of, until they have chosen one.
    const offer = () => {
      clearTimeout(renewal);
      offered?.abort();
      offered = new AbortController();
      const { signal } = offered;
      let chosen = false;
      const onChosen = () => {
        clearTimeout(renewal);
        chosen = fault.hidden = true;
      };
      renewal = setTimeout(offer, 4 * 60 * 1000);
      run(place, { mediation: 'conditional', signal }, onChosen).catch(error => {
        if (!chosen || signal.aborted) return;
        say(error);
        offer();
      });
    };

    button.addEventListener('click', async () => {
      // One question at a time: the offer in the field makes room for the one that was asked for.
      clearTimeout(renewal);
      offered?.abort();
      fault.hidden = true;
      button.disabled = true;
      try {
        await run(place);
      } catch (error) {
        say(error);
      } finally {
        button.disabled = false;
        if (document.activeElement === document.body) button.focus(); // where the keyboard was
      }
    });

    if ('autofill' in place.dataset && await PublicKeyCredential.isConditionalMediationAvailable?.()) {
      offer();
    }
  }
}
