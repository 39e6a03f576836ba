using App.Data;
using App.Ui;
using Microsoft.AspNetCore.Components;

namespace App.Sessions;

/// <summary>
/// Lives in a circuit, longer than any request: each look at the database has a scope of its own,
/// and each action first asks whether it may still be done in this session's name.
/// </summary>
public sealed partial class SessionsLive
{
    private const string SignInAgain = "/account/sign-in?returnUrl=%2Faccount%2Fsessions";
    private static readonly string ConfirmFirst = ReturnUrl.Via(ReturnUrl.Confirm, "/account/sessions");
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestWatch = TimeSpan.FromMinutes(5);
    private static readonly Row All = new(null!);

    private List<Row> rows = [];
    private Row? busy;
    private Row? landing;
    private string? said;
    private string? fault;
    private bool over;
    private (int Count, HashSet<Row> Open) atOnce = (0, []);
    private SeenBefore? place;
    private Guid? older;
    private int unseen;

    /// <summary>Sessions of this person that a form has just ended: they are shown once more, with where they are refused by now.</summary>
    [Parameter] public Guid[] JustEnded { get; set; } = [];

    /// <summary>The last session of the page before this one; null, or what is none of this person's, for the first.</summary>
    [Parameter] public string? Before { get; set; }

    protected override IDisposable WatchFor(CurrentUser me) => Watch.Subscribe(me.Id, _ => InvokeAsync(ShowAsync));

    protected override async Task OnInitializedAsync()
    {
        await base.OnInitializedAsync();
        if (Before is not null && Me is not null) place = await InScopeAsync<ListSessions, SeenBefore?>(list => list.PlaceAsync(Me.Id, Before, Gone));
        await LookAsync();
        if (over) return;
        var ended = await ShowEndedAsync();
        if (!RendererInfo.IsInteractive) return;
        _ = FollowAsync(Gone);
        if (ended.Count > 1) atOnce = (ended.Count, [.. ended]);
        if (ended.Exists(row => row.Waiting)) _ = WatchServicesAsync(ended, Gone);
    }

    // What ends is told at once; what begins, or ends by itself, is found by looking.
    private async Task FollowAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Pace, Clock);
        try
        {
            while (await timer.WaitForNextTickAsync(ct)) await InvokeAsync(ShowAsync);
        }
        catch (OperationCanceledException)
        {
            // The page is gone.
        }
    }

    private async Task ShowAsync()
    {
        if (over || Gone.IsCancellationRequested) return;
        Speak();
        try
        {
            await LookAsync();
            // Also those that nobody asks for any more: who is behind now may catch up in an hour.
            if (!over) foreach (var row in rows.FindAll(r => r.Waiting)) await ShowServicesAsync(row);
        }
        catch (Exception e) when (e is OperationCanceledException || IsDatabase(e))
        {
            // What is shown stays; the next look may succeed.
        }

        StateHasChanged();
    }

    private async Task LookAsync()
    {
        if (Leave()) return;
        var page = await InScopeAsync<ListSessions, SessionPage>(list => list.PageAsync(Me!.Id, Me, place, Gone));
        if (page.Asking is null)
        {
            Leave(expired: true);
            return;
        }

        // What newer ones have pushed off the page lives on.
        var living = page.Shown.ToDictionary(s => s.Id);
        var missing = rows.FindAll(r => r.Ended is null && !living.ContainsKey(r.View.Id)).ConvertAll(r => r.View.Id);
        if (missing.Count > 0) foreach (var view in await InScopeAsync<ListSessions, IReadOnlyList<SessionView>>(list => list.AmongAsync(Me!, missing, Gone))) living[view.Id] = view;

        // Rows keep their place, also those that are over: nothing moves under the reader's finger.
        foreach (var row in rows)
        {
            if (living.TryGetValue(row.View.Id, out var view)) row.View = view;
            else row.Ended ??= Text.SignedOut;
        }

        rows.InsertRange(rows.Count > 0 ? 1 : 0, page.Shown.Where(s => !rows.Exists(r => r.View.Id == s.Id)).Select(s => new Row(s)));
        (unseen, older) = (Math.Max(0, page.All - Alive.Count), page.Before);
    }

    private async Task<List<Row>> ShowEndedAsync()
    {
        var ended = new List<Row>();
        foreach (var id in JustEnded)
        {
            if (await InScopeAsync<ListSessions, SessionView?>(list => list.OneAsync(Me!, id, Gone)) is not { EndedAt: not null } view) continue;
            ended.Add(new Row(view) { Ended = Text.SignedOut });
            Show(ended[^1], view);
        }

        rows.AddRange(ended);
        return ended;
    }

    private Task EndAsync(Row row) => ActAsync(row, async () =>
    {
        var begun = Clock.GetTimestamp();
        if (await InScopeAsync<EndSession, EndSession.Outcome>(end => end.TryAsync(Me!, row.View.Id, CancellationToken.None)) is EndSession.Outcome.ProofRequired)
        {
            Nav.NavigateTo(ConfirmFirst, forceLoad: true);
            return;
        }

        row.Ended = SessionWords.Within(Clock.GetElapsedTime(begun));
        said = Sentence.With(Text.Said, row.Name, row.Ended);
        landing = row;
        _ = WatchServicesAsync([row], Gone);
    });

    private List<Row> Alive => rows.FindAll(r => r is { Ended: null, View.Current: false });

    private Task EndOthersAsync() => ActAsync(All, async () =>
    {
        var others = Alive;
        var begun = Clock.GetTimestamp();
        if (await InScopeAsync<EndSession, IReadOnlyList<Guid>?>(end => end.OthersAsync(Me!, CancellationToken.None)) is not { Count: var count })
        {
            Nav.NavigateTo(ConfirmFirst, forceLoad: true);
            return;
        }

        var ended = SessionWords.Within(Clock.GetElapsedTime(begun));
        foreach (var row in others) row.Ended = ended;
        landing = others.FirstOrDefault();
        atOnce = (count, [.. others]);
        said = AtOnce(ended);
        _ = WatchServicesAsync(others, Gone);
    });

    // Shows, for as long as it is soon, which services refuse what was just ended. What is shown is said aloud only once it is true everywhere.
    private async Task WatchServicesAsync(List<Row> ended, CancellationToken ct)
    {
        var begun = Clock.GetTimestamp();
        try
        {
            for (var open = ended; open.Count > 0 && Clock.GetElapsedTime(begun) < LongestWatch;)
            {
                await InvokeAsync(async () =>
                {
                    Speak();
                    foreach (var row in open) await ShowServicesAsync(row);
                    StateHasChanged();
                });
                open = open.FindAll(r => r.Waiting);
                // Ends within a second as a rule; whoever hangs isn't asked for ten times a second.
                await Task.Delay(Clock.GetElapsedTime(begun) < TimeSpan.FromSeconds(3) ? TimeSpan.FromMilliseconds(150) : TimeSpan.FromSeconds(1), ct);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException || IsDatabase(e))
        {
            // The page is gone, or the next look at the list asks.
        }
    }

    private async Task ShowServicesAsync(Row row)
    {
        var before = row.Ended;
        Show(row, await InScopeAsync<ListSessions, SessionView?>(list => list.OneAsync(Me!, row.View.Id, Gone)));
        if (row is not { Waiting: false, Ended: { } ended }) return;
        var isOneOfMany = atOnce.Open.Remove(row);
        if (ended != before && (!isOneOfMany || atOnce.Open.Count == 0)) said = isOneOfMany ? AtOnce(ended) : Sentence.With(Text.Said, row.Name, ended);
    }

    private string AtOnce(string ended) => atOnce.Count == 1 ? Sentence.With(Text.SaidOne, ended) : Sentence.With(Text.SaidMany, atOnce.Count, ended);

    // The button that was pressed is gone: what stands in its place takes the keyboard.
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (landing is not { Ended: not null } row) return;
        landing = null;
        await row.Tag.FocusAsync(preventScroll: true);
    }

    private static void Show(Row row, SessionView? view)
    {
        var convergence = view?.Convergence;
        if (convergence is not null) row.Ended = SessionWords.Everywhere(convergence);
        // Whoever was behind is out of contact, and the last token that it would take has run out.
        else if (row.Waiting) row.Ended = Text.Everywhere;
        row.Waiting = convergence is { Behind.Count: > 0 };
    }

    private async Task ActAsync(Row what, Func<Task> act)
    {
        if (busy is not null || Leave()) return;
        Speak();
        (busy, fault) = (what, null);
        try
        {
            await act();
        }
        catch (Exception e) when (IsDatabase(e))
        {
            fault = Text.Failed;
        }
        finally
        {
            busy = null;
        }
    }

    /// <summary>Says that it is over and leads to sign-in, if it is.</summary>
    private bool Leave(bool expired = false)
    {
        if (!over && !expired && Me is not null && !Watch.IsEnded(Me)) return false;
        if (over) return true;
        over = true;
        StopWatching();
        StateHasChanged();
        if (RendererInfo.IsInteractive) Nav.NavigateTo(SignInAgain, forceLoad: true);
        return true;
    }

    private async Task<TResult> InScopeAsync<TVerb, TResult>(Func<TVerb, Task<TResult>> act) where TVerb : notnull
    {
        await using var scope = Scopes.CreateAsyncScope();
        return await act(scope.ServiceProvider.GetRequiredService<TVerb>());
    }

    private static bool IsDatabase(Exception e) => DatabaseFault.Is(e);
}
