using System.Globalization;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;

namespace App.Ui;

/// <summary>
/// An interactive part of a page. It goes on in the language of the page's first HTML, whoever makes it render:
/// a circuit's own culture is that of its connection, and what other requests cause is rendered on their threads.
/// It knows who looks at it, and lets go of what it holds when the page is gone.
/// </summary>
public abstract class Island : ComponentBase, IDisposable
{
    private readonly CancellationTokenSource gone = new();
    private IDisposable? watching;

    protected Island() => Gone = gone.Token;

    /// <summary>The page's language: <c>CultureInfo.CurrentUICulture.Name</c>. Without it, whatever is spoken already.</summary>
    [Parameter, EditorRequired] public string Language { get; set; } = "";

    /// <summary>Cancelled when the page is gone.</summary>
    protected CancellationToken Gone { get; }

    /// <summary>Who looks at the page, from its initialisation on; null for a stranger.</summary>
    protected CurrentUser? Me { get; private set; }

    [CascadingParameter] private Task<AuthenticationState>? Authentication { get; set; }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        StopWatching();
        gone.Cancel();
        gone.Dispose();
    }

    /// <summary>Asked once, in a circuit alone and before the island looks at anything itself: nothing that ends in between is missed.</summary>
    /// <returns>What watches for this person, until the page is gone.</returns>
    protected virtual IDisposable? WatchFor(CurrentUser me) => null;

    protected void StopWatching() => watching?.Dispose();

    protected override async Task OnInitializedAsync()
    {
        if (Authentication is null) return;
        Me = CurrentUser.From((await Authentication).User);
        if (RendererInfo.IsInteractive && Me is not null) watching = WatchFor(Me);
    }

    /// <summary>For code that makes up its texts before it is rendered.</summary>
    protected void Speak()
    {
        if (Language.Length > 0) CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(Language);
    }

    // Not in an async method, which would take the culture back before the first rendering.
    public override Task SetParametersAsync(ParameterView parameters)
    {
        parameters.SetParameterProperties(this);
        Speak();
        return base.SetParametersAsync(ParameterView.Empty);
    }

    protected override bool ShouldRender()
    {
        Speak();
        return true;
    }
}
