using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>Notes what a page asks for and complains of while it loads.</summary>
internal sealed class PageWatch(IPage page) : IDisposable
{
    // The browser's thread writes, also while the test's looks.
    private readonly ConcurrentQueue<IRequest> _requests = new();

    /// <summary>Console errors and uncaught exceptions; a refusal by the content security policy is one.</summary>
    public ConcurrentQueue<string> Complaints { get; } = new();

    public IReadOnlyList<string> Urls => [.. _requests.Select(request => request.Url)];

    /// <summary>Requests that leave the page's own origin.</summary>
    public IEnumerable<string> Strangers =>
        Urls.Where(url => !url.StartsWith("data:", StringComparison.Ordinal) && new Uri(url).Authority != new Uri(page.Url).Authority);

    public async Task BeginAsync()
    {
        page.Request += Note;
        page.Console += Note;
        page.PageError += Note;
        await page.AddInitScriptAsync("""
            if (window.shift === undefined) {
              window.shift = 0;
              window.moved = [];
              new PerformanceObserver(list => {
                for (const entry of list.getEntries()) {
                  window.shift += entry.value;
                  for (const { node } of entry.sources) window.moved.push(node?.outerHTML?.slice(0, 80) ?? node?.textContent ?? '');
                }
              }).observe({ type: 'layout-shift', buffered: true });
            }
            """);
    }

    public Task<double> LayoutShiftAsync() => page.EvaluateAsync<double>("window.shift");

    /// <summary>What moved, the beginning of each.</summary>
    public Task<string[]> MovedAsync() => page.EvaluateAsync<string[]>("window.moved");

    /// <summary>Bytes over the wire, headers included.</summary>
    public async Task<int> BytesAsync()
    {
        var sizes = await Task.WhenAll(_requests.Select(request => request.SizesAsync()));
        return sizes.Sum(size => size.ResponseBodySize + size.ResponseHeadersSize);
    }

    public void Dispose()
    {
        page.Request -= Note;
        page.Console -= Note;
        page.PageError -= Note;
    }

    private void Note(object? sender, IRequest request) => _requests.Enqueue(request);

    private void Note(object? sender, IConsoleMessage message)
    {
        // The browser reports the status of the not-found page itself as an error.
        if (message.Type is "error" or "warning" && !message.Text.Contains("status of 404", StringComparison.Ordinal)) Complaints.Enqueue(message.Text);
    }

    private void Note(object? sender, string error) => Complaints.Enqueue(error);
}
