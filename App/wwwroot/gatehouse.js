// Small comforts. Every page works without them.
(() => {
  const all = (selector, root = document) => root.querySelectorAll(selector);

  // The answer to a form is a page like any other: "back" and "reload" ask for it, and don't send the form again.
  // What was shown only once is where it can be had anew.
  history.replaceState(history.state, '', document.querySelector('[data-anew]')?.dataset.anew ?? location.href);

  // On a phone the places are one row: the one where somebody is comes into sight.
  const here = document.querySelector('.side [aria-current]');
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft;

  // Signing in would seem to work, and lead back here.
  if (!navigator.cookieEnabled) for (const told of all('[data-cookieless]')) Object.assign(told, { hidden: false, role: 'alert', className: 'notice bad' });

  // Show or hide what is typed into a password field.
  for (const button of all('[data-peek]')) {
    const input = document.getElementById(button.dataset.peek);
    const [show, hide] = [[button.textContent, button.ariaLabel], [button.dataset.hide, button.dataset.hideLabel]];
    button.hidden = false;
    button.onclick = () => {
      const hidden = input.type === 'password';
      input.type = hidden ? 'text' : 'password';
      [button.textContent, button.ariaLabel] = hidden ? hide : show;
    };
    input.form.addEventListener('submit', () => { input.type = 'password'; });
  }

  // How strong a new password is, once it is long enough. The server judges, as it will when the form is sent.
  for (const input of all('[data-judge]')) {
    const [says, { email, name }] = [document.getElementById(`${input.id}-strength`), input.form.elements];
    let asked = 0;
    input.addEventListener('input', async () => {
      const turn = ++asked;
      const show = ({ level, words }) => { says.dataset.level = level; says.textContent = words; };
      show({ level: 0, words: '' }); // a verdict is of what is there, and so was the last answer's
      input.ariaInvalid = null;
      document.getElementById(`${input.id}-error`)?.remove();
      if ([...input.value].length < input.dataset.judge) return;
      await new Promise(resolve => { setTimeout(resolve, 300); });
      if (turn !== asked) return;
      const body = new URLSearchParams({ password: input.value, min: input.dataset.judge });
      if (email) body.set('email', email.value);
      if (name) body.set('name', name.value);
      const token = new URLSearchParams(location.search).get('token'); // a letter's link says whose it will be
      if (token) body.set('token', token);
      const answer = await fetch('/ui/password-strength', { method: 'POST', body }).catch(() => null);
      if (answer?.ok && turn === asked) show(await answer.json());
    });
  }

  // Copy code or a secret; the button says that it did, and a status says it aloud. A page without https has no clipboard, and shows no button.
  const buttons = navigator.clipboard ? all('[data-copy]') : [];
  const said = Object.assign(document.createElement('p'), { className: 'sr', role: 'status' });
  if (buttons.length) document.body.append(said);
  for (const button of buttons) {
    const { textContent, ariaLabel } = button;
    button.hidden = false;
    button.onclick = async () => {
      const text = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(text.innerText);
      } catch {
        getSelection().selectAllChildren(text); // The browser refuses: what is selected can still be copied by hand.
        return;
      }
      said.textContent = button.textContent = button.ariaLabel = button.dataset.copied;
      setTimeout(() => { Object.assign(button, { textContent, ariaLabel }); said.textContent = ''; }, 2000);
    };
  }

  // A question is a popover that the browser opens without script. With it, the page behind waits, and the keyboard comes back to where it was.
  document.addEventListener('click', event => {
    const asks = event.target.closest('[popovertarget]');
    const dialog = asks && document.getElementById(asks.getAttribute('popovertarget'));
    // What it opened before this came, it closes.
    if (!dialog?.showModal || (dialog.hidePopover && dialog.matches(':popover-open'))) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else dialog.showModal();
  });

  // A form that is pressed again before its answer has come isn't sent again: the browser would show the second answer, and what the first one shows once
  // nobody would have seen. Heard after all others: what one of them takes in hand, as a live page does, isn't sent at all.
  const free = form => {
    clearTimeout(form.dataset.sent);
    delete form.dataset.sent;
    for (const control of form.elements) control.ariaBusy = null;
  };
  addEventListener('submit', event => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || (submitter?.formMethod || form.method) !== 'post') return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    // Some answers never come, and one that is a file leaves the page where it is: what that says of the last try goes now, the password once it is sent.
    const isFile = form.hasAttribute('data-file');
    const wrong = isFile && form.querySelector('[aria-invalid]');
    if (wrong) {
      wrong.ariaInvalid = null;
      for (const fault of all('#errors, .fault')) fault.remove();
    }
    form.dataset.sent = setTimeout(() => {
      free(form);
      if (isFile) form.reset();
    }, isFile ? 2000 : 10_000);
    if (submitter) submitter.ariaBusy = 'true';
  });

  // A second open tab follows the first: whoever signs in or out in one has done so in all. A live page hears of it by itself.
  const { user } = document.body.dataset;
  const tabs = new BroadcastChannel('who');
  const live = document.querySelector('[src*="blazor.web"]');
  let [asking, leaving] = [false, false];
  const follow = who => {
    // A form that is on its way knows more than we do: its answer may hold what is shown once.
    if (who === user || live || document.querySelector('[data-sent]')) return;
    leaving = true;
    location.replace(location.pathname + location.search);
  };
  // A session that ended elsewhere, or by itself: the page says so when it is looked at again, and within a minute where it stays in sight.
  const look = async () => {
    if (live || asking || leaving || document.hidden) return;
    asking = true;
    const who = await fetch('/ui/who').then(answer => (answer.ok ? answer.text() : user)).catch(() => user);
    asking = false;
    follow(who);
  };
  if (user !== undefined) {
    tabs.onmessage = ({ data }) => follow(data);
    tabs.postMessage(user);
    document.addEventListener('visibilitychange', look);
    addEventListener('focus', look);
    if (user) setInterval(look, 60_000);
  }

  // Kept by the browser, and shown once more as it was left.
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    for (const form of all('[data-sent]')) free(form);
    asking = leaving = false;
    if (user !== undefined) look();
  });

  // The exact time on hover, in the reader's own zone and manner of the page's language; again whenever a live page changes.
  const { lang } = document.documentElement;
  const zone = new Intl.DateTimeFormat(navigator.languages.find(one => one.startsWith(lang)) ?? lang, { dateStyle: 'long', timeStyle: 'short' });
  const localise = () => {
    for (const time of all('time[datetime]')) time.title = zone.format(new Date(time.dateTime));
  };
  localise();
  new MutationObserver(localise).observe(document.body, { subtree: true, childList: true, attributeFilter: ['datetime'] });

  // Change colours in place, and let the server remember them.
  for (const form of all('[data-themes]')) {
    form.addEventListener('submit', event => {
      const { value } = event.submitter;
      event.preventDefault();
      if (value === 'system') delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = value;
      for (const button of all('button', form)) button.setAttribute('aria-pressed', button.value === value);
      const body = new URLSearchParams(new FormData(form, event.submitter));
      fetch(form.action, { method: 'POST', body, redirect: 'manual' });
    });
  }
})();
