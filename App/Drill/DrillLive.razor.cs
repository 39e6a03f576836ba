using App.Data;
using Microsoft.AspNetCore.Components;

namespace App.Drill;

/// <summary>Looks again and again until all have answered, or nobody is waited for any longer; each look has a scope of its own.</summary>
public sealed partial class DrillLive
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(150), LaterPace = TimeSpan.FromSeconds(1);

    private DrillView? view;
    private DateTimeOffset now;
    private string? said;
    private bool over;

    /// <summary>Null where none has begun: who would be asked is shown.</summary>
    [Parameter] public Guid? Drill { get; set; }

    // The session that has ended may be theirs, or their role: whether they see more is for the page to decide, asked anew.
    protected override IDisposable WatchFor(CurrentUser me) => Watch.Subscribe(me.Id, session =>
    {
        if (session is null || session == me.SessionId) _ = InvokeAsync(Leave);
    });

    protected override async Task OnInitializedAsync()
    {
        await base.OnInitializedAsync();
        await LookAsync();
        if (RendererInfo.IsInteractive && view is { State: DrillState.Running }) _ = FollowAsync(Gone);
    }

    protected override void OnAfterRender(bool firstRender)
    {
        // It was over before the page could follow: said once there is somewhere to say it.
        if (!firstRender || Drill is null || view is null || view.State == DrillState.Running || now - view.At > ShowDrill.Watched) return;
        Speak();
        said = DrillWords.Verdict(view, now);
        StateHasChanged();
    }

    private async Task FollowAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Pace, Clock);
        try
        {
            while (view is { State: DrillState.Running } && !over && await timer.WaitForNextTickAsync(ct))
            {
                if (now - view.At > DrillWords.Patience) timer.Period = LaterPace;
                await InvokeAsync(ShowAsync);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The page is gone.
        }
    }

    private async Task ShowAsync()
    {
        if (over || Gone.IsCancellationRequested) return;
        Speak();
        await LookAsync();
        if (over || view is null) return;
        // Aloud to whoever doesn't see the chart fill, and not with every number: when somebody is late, and at the end.
        if (view.State != DrillState.Running) said = DrillWords.Verdict(view, now);
        else if (DrillWords.Late(view, now) is not null) said ??= DrillWords.Verdict(view, now);
        StateHasChanged();
    }

    private async Task LookAsync()
    {
        try
        {
            await using var scope = Scopes.CreateAsyncScope();
            var show = scope.ServiceProvider.GetRequiredService<ShowDrill>();
            if (Me is null || Watch.IsEnded(Me) || !await show.MayAsync(Me, Gone))
            {
                Leave();
                return;
            }

            var next = Drill is { } id ? await show.OneAsync(id, Gone) : await show.NextAsync(Gone);
            now = Clock.GetUtcNow();
            view = next is null || view is null ? next ?? view : next.Remembering(view, now);
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
            // What is shown stays; the next look may succeed.
            now = Clock.GetUtcNow();
        }
    }

    private void Leave()
    {
        over = true;
        StopWatching();
        if (RendererInfo.IsInteractive) Nav.Refresh(forceReload: true);
    }
}
