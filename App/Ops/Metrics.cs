using System.ComponentModel;
using System.Diagnostics.Metrics;

namespace App.Ops;

/// <summary>Figures for Prometheus (section <c>Metrics</c>).</summary>
public sealed class MetricsOptions
{
    [Description("Serves figures for Prometheus at `/metrics`; otherwise that is 404.")]
    public bool Enabled { get; set; } = true;
}

/// <summary>
/// What an operator has alerts for, counted in this process since its start. Each label has a handful of fixed values, and says nothing of anybody.
/// Those that are known beforehand are there from the start, at 0: Prometheus sees an increase only from a value it has read.
/// </summary>
public sealed class Figures
{
    private readonly Counter<long> _signIns, _renewals, _refusals, _unavailable;

    public Figures(IMeterFactory meters)
    {
        _signIns = Counter("gatehouse_sign_ins", "Sign-ins by outcome: ok, second_step (right so far), wrong, or limited, where too many were wrong before.");
        _renewals = Counter("gatehouse_renewals", "Refresh tokens shown, by outcome: renewed, replayed (once more within the grace), reused (which has ended the session), or refused.");
        _refusals = Counter("gatehouse_tokens_refused", "Access tokens refused at our own doors, by reason. A cookie that is renewed instead isn't one.");
        _unavailable = Counter("gatehouse_requests_unavailable", "Requests answered 503. Not counted: what asks for health, and what a service behind the gateway has answered.");
        foreach (var outcome in (string[])["ok", "second_step", "wrong", "limited"]) _signIns.Add(0, new KeyValuePair<string, object?>("outcome", outcome));
        foreach (var outcome in (string[])["renewed", "replayed", "reused", "refused"]) _renewals.Add(0, new KeyValuePair<string, object?>("outcome", outcome));
        _unavailable.Add(0);

        // The exporter adds _total.
        Counter<long> Counter(string name, string description) => meters.Create(OpsModule.OwnMeter).CreateCounter<long>(name, unit: null, description);
    }

    public void SignIn(string outcome) => _signIns.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Renewal(string outcome) => _renewals.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void TokenRefused(string reason) => _refusals.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void Answered(HttpContext http)
    {
        if (http.Response.StatusCode == StatusCodes.Status503ServiceUnavailable && !PassedOn.IsAnswered(http) && !http.Request.Path.StartsWithSegments("/health")) _unavailable.Add(1);
    }
}
