using App.Data;

namespace App.Dashboard;

/// <summary>Lives in a circuit, longer than any request: each look has a scope of its own, and asks whether its reader may still see it.</summary>
public sealed partial class DashboardLive
{
    // Its first HTML leads on to whatever has become of the reader: sign-in and back, or a page that says it isn't for them.
    private const string Here = "/admin";
    private const int MostProblems = 8;
    private const int MostServices = 20;
    private const string Ok = "ok", Wrong = "wrong", Limited = "limited", Renewed = "renewed";
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(2);

    private Overview? now;
    private string? said;
    private bool over;

    protected override IDisposable WatchFor(CurrentUser me) => Watch.Subscribe(me.Id, _ => InvokeAsync(LookAsync));

    protected override async Task OnInitializedAsync()
    {
        await base.OnInitializedAsync();
        // What the first HTML has just shown is drawn again at once: an empty page in between would make everything jump.
        if (RendererInfo.IsInteractive) now = await InScopeAsync(show => Task.FromResult(show.Latest()));
        if (now is null || !RendererInfo.IsInteractive) await LookAsync();
        if (RendererInfo.IsInteractive) _ = FollowAsync(Gone);
    }

    private async Task FollowAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Pace, Clock);
        try
        {
            while (await timer.WaitForNextTickAsync(ct)) await InvokeAsync(LookAsync);
        }
        catch (OperationCanceledException)
        {
            // The page is gone.
        }
    }

    private async Task LookAsync()
    {
        if (over || Gone.IsCancellationRequested) return;
        Speak();
        try
        {
            if (Me is null || Watch.IsEnded(Me) || await InScopeAsync(show => show.ForAsync(Me, Gone)) is not { } seen)
            {
                Leave();
                return;
            }

            // Read out where something has changed, not with every second that a service is behind.
            if (now is not null && !Kinds(now).SequenceEqual(Kinds(seen))) said = DashboardWords.Verdict(seen.View);
            now = seen;
        }
        catch (Exception e) when (e is OperationCanceledException || DatabaseFault.Is(e))
        {
            // What is shown stays; the next look may succeed.
        }

        StateHasChanged();
    }

    private void Leave()
    {
        (over, now, said) = (true, null, null);
        StopWatching();
        StateHasChanged();
        if (RendererInfo.IsInteractive) Nav.NavigateTo(Here, forceLoad: true);
    }

    private static IEnumerable<(string, string?)> Kinds(Overview overview) => overview.View.Problems.Select(p => (p.Kind, p.Service));

    private async Task<Overview?> InScopeAsync(Func<ShowOverview, Task<Overview?>> look)
    {
        await using var scope = Scopes.CreateAsyncScope();
        return await look(scope.ServiceProvider.GetRequiredService<ShowOverview>());
    }
}
