// Starts the interactive runtime on a page that asked for it. There is no <base>, which the content security policy
// forbids, so the line to the server is told where the root is; nothing else of Blazor's client is in use.
(() => {
  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (url, data) => beacon(new URL(url, location.origin), data);

  document.getElementById('components-reconnect-modal').addEventListener('components-reconnect-state-changed', event => {
    if (event.detail.state === 'rejected') location.reload();
  });

  Blazor.start({
    ssr: { disableDomPreservation: true },
    circuit: {
      configureSignalR: builder => builder.withUrl('/_blazor'),
      initializers: { beforeStart: [], afterStarted: [] },
    },
  });
})();
