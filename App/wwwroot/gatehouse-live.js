// Starts the interactive runtime on a page that asked for it. There is no <base>, which the content security policy
// forbids, so the line to the server is told where the root is; nothing else of Blazor's client is in use.
(() => {
  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (url, data) => beacon(new URL(url, location.origin), data);

  document.getElementById('components-reconnect-modal').addEventListener('components-reconnect-state-changed', event => {
    if (event.detail.state === 'rejected') location.reload();
  });

  // A question asked before the page was live: the first live rendering takes the place of what the page came with, and asks it again.
  let asked;
  document.addEventListener('toggle', ({ target, newState }) => { asked = newState === 'open' ? target : undefined; }, true);
  new MutationObserver(() => {
    if (!asked || asked.isConnected) return;
    const { id } = asked;
    asked = undefined;
    document.getElementById(id)?.showModal();
  }).observe(document.body, { childList: true, subtree: true });

  Blazor.start({
    ssr: { disableDomPreservation: true },
    circuit: {
      configureSignalR: builder => builder.withUrl('/_blazor'),
      initializers: { beforeStart: [], afterStarted: [] },
    },
  });
})();
