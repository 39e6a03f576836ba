using App.Strategies;
using App.Ui;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;

namespace App.Lab;

/// <summary>Lives in a circuit. An experiment runs apart from it, so that drawing and measuring don't wait for each other, and ends with the page.</summary>
public sealed partial class LabLive
{
    private const string SignInAgain = "/account/sign-in?returnUrl=%2Flab";
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100);
    private static readonly Ending NoEnding = new();
    private static readonly Outage NoOutage = new();

    private readonly List<Latency> latencies = [];
    private Ending? ending;
    private Outage? outage;
    private Exchange? exchange;
    private Carriage carriage;
    private Strategy service;
    private bool feedCut;
    private bool networked;
    private Experiment? running;
    private (Experiment Which, LabOutcome How)? refused;
    private string? said;

    private enum Experiment { Cost, End, Cut, Away, Carry }

    [Inject] private LabOptions Options { get; set; } = null!;

    protected override IDisposable WatchFor(CurrentUser me) => Watch.Subscribe(me.Id, _ => InvokeAsync(LeaveIfEnded));

    private void LeaveIfEnded()
    {
        if (Watch.IsEnded(Me!)) Nav.NavigateTo(SignInAgain, forceLoad: true);
    }

    private Task StartAsync(Experiment which) => which switch
    {
        Experiment.Cost => RunAsync(which, ct => Call.TryAsync(Me!, networked, latency => Show(() => latencies.Add(latency)), ct), latencies.Clear),
        Experiment.End or Experiment.Cut => EndAsync(which),
        Experiment.Away => AwayAsync(),
        _ => RunAsync(which, ct => Try.TryAsync(Me!, service, carriage, seen => Show(() => exchange = seen), ct)),
    };

    private Task EndAsync(Experiment which)
    {
        var now = new Ending();
        return RunAsync(which, ct => End.TryAsync(Me!, now, which == Experiment.Cut, ct), () => (ending, feedCut) = (now, which == Experiment.Cut));
    }

    private Task AwayAsync()
    {
        var now = new Outage();
        return RunAsync(Experiment.Away, ct => Stop.TryAsync(Me!, now, ct), () => outage = now);
    }

    private async Task RunAsync(Experiment which, Func<CancellationToken, Task<LabOutcome>> run, Action? begin = null)
    {
        if (running is not null || Me is null) return;
        Speak();
        begin?.Invoke();
        (running, refused, said) = (which, null, Text.Running);
        // On threads of its own: what is measured must not wait for this page.
        var experiment = Task.Run(() => run(Gone));
        try
        {
            while (await Task.WhenAny(experiment, Task.Delay(Pace)) != experiment) StateHasChanged();
            if (await experiment is not LabOutcome.Done and var how) refused = (which, how);
            said = refused is null ? Told(which) : null;
        }
        catch (OperationCanceledException)
        {
            // The page is gone.
        }
        finally
        {
            running = null;
        }
    }

    /// <summary>The result in one go, for whoever doesn't see the charts fill.</summary>
    private string Told(Experiment which) => which switch
    {
        Experiment.Cost => Text.CostDone,
        Experiment.End or Experiment.Cut => string.Join(". ", ending!.Lanes.Select(lane => $"{LabWords.Name(lane.Strategy)}: {LabWords.Verdict(ending, lane)}")),
        Experiment.Away => string.Join(". ", outage!.Lanes.Select(lane => $"{LabWords.Name(lane.Strategy)}: {LabWords.Verdict(outage, lane)}")),
        _ => Text.Ready,
    };

    private void Show(Action change) => _ = InvokeAsync(() =>
    {
        change();
        StateHasChanged();
    });

    private RenderFragment Button(Experiment which, string label, string kind) => builder =>
    {
        builder.OpenElement(0, "button");
        builder.AddAttribute(1, "class", running == which ? $"btn {kind} live" : $"btn {kind}");
        builder.AddAttribute(2, "type", "button");
        // While one runs, a button only says that it waits: disabled, the one just pressed would lose the keyboard.
        builder.AddAttribute(3, "disabled", !RendererInfo.IsInteractive);
        builder.AddAttribute(4, "aria-disabled", running is not null ? "true" : null);
        builder.AddAttribute(5, "onclick", EventCallback.Factory.Create<MouseEventArgs>(this, () => StartAsync(which)));
        builder.AddContent(6, label);
        builder.CloseElement();
    };

    private RenderFragment Fault(Experiment which) => builder =>
    {
        if (refused is not { } fault || fault.Which != which) return;
        var busy = fault.How is LabOutcome.Busy;
        builder.OpenComponent<Notice>(0);
        builder.AddAttribute(1, nameof(Notice.Kind), busy ? "wait" : "bad");
        builder.AddAttribute(2, nameof(Notice.ChildContent), (RenderFragment)(content => content.AddContent(0, busy ? Text.Busy : Text.Unavailable)));
        builder.CloseComponent();
    };
}
