using System.ComponentModel;

namespace App.Ops;

/// <summary>Figures for Prometheus (section <c>Metrics</c>).</summary>
public sealed class MetricsOptions
{
    [Description("Serves figures for Prometheus at `/metrics`; otherwise that is 404.")]
    public bool Enabled { get; set; } = true;
}
