// Small comforts. Every page works without them.
(() => {
  const all = (selector, root = document) => root.querySelectorAll(selector);

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

  // The exact time on hover, in the reader's own zone; again whenever a live page changes.
  const zone = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'long', timeStyle: 'short' });
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
