using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace App.Lab;

/// <summary>The page that shows the three strategies side by side (section <c>Lab</c>).</summary>
public sealed class LabOptions
{
    [Description("Serves the lab at `/lab`, where signed-in people try four small services on loopback ports of this process; `--lab` says the same. Unset, only Development does.")]
    public bool? Enabled { get; set; }

    [Range(typeof(TimeSpan), "00:00:06", "00:01:00")]
    [Description("How old the feed of the lab's third service may get before it asks us about each token, as any verifier's may.")]
    public TimeSpan StaleAfter { get; set; } = TimeSpan.FromSeconds(15);
}
