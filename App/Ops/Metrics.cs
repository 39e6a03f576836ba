using System.ComponentModel;
using System.Diagnostics.Metrics;

namespace App.Ops;

/// <summary>Figures for Prometheus (section <c>Metrics</c>).</summary>
public sealed class MetricsOptions
{
    [Description("Serves figures for Prometheus at `/metrics`; otherwise that is 404.")]
    public bool Enabled { get; set; } = true;
}

/// <summary>What an operator has alerts for, counted in this process since its start. Each label has a handful of fixed values, and says nothing of anybody.</summary>
public sealed class Figures(IMeterFactory meters)
{
    private readonly Counter<long> _signIns = Counter(meters, "gatehouse_sign_ins", "Sign-ins by outcome: ok, second_step (right so far), wrong, or limited, where too many were wrong before.");

    private readonly Counter<long> _renewals = Counter(
        meters, "gatehouse_renewals", "Refresh tokens shown, by outcome: renewed, replayed (once more within the grace), reused (which has ended the session), or refused.");

    private readonly Counter<long> _refusals = Counter(meters, "gatehouse_tokens_refused", "Access tokens refused at our own doors, by reason. A cookie that is renewed instead isn't one.");

    private readonly Counter<long> _unavailable = Counter(meters, "gatehouse_requests_unavailable", "Requests answered 503. Not counted: what asks for health, and what a service behind the gateway has answered.");

    public void SignIn(string outcome) => _signIns.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Renewal(string outcome) => _renewals.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void TokenRefused(string reason) => _refusals.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void Answered(HttpContext http)
    {
        if (http.Response.StatusCode == StatusCodes.Status503ServiceUnavailable && !PassedOn.IsAnswered(http) && !http.Request.Path.StartsWithSegments("/health")) _unavailable.Add(1);
    }

    // The exporter adds _total.
    private static Counter<long> Counter(IMeterFactory meters, string name, string description) => meters.Create(OpsModule.OwnMeter).CreateCounter<long>(name, unit: null, description);
}
