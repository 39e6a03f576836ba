using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using App.Accounts;

namespace App.Drill;

/// <summary>Fire drills that begin by themselves, and what all are held to (section <c>Drill</c>).</summary>
public sealed class DrillOptions : IValidatableObject
{
    [Range(typeof(TimeSpan), "00:01:00", "1.00:00:00")]
    [Description("How often a fire drill begins by itself, once over all replicas, in the name of `Drill:Account`; unset, never. Each tells every service of one more session that has ended.")]
    public TimeSpan? Every { get; set; }

    [Description("The e-mail address of the admin in whose name it begins and ends a session. Needed with Drill:Every.")]
    public string? Account { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value.Trim(); }

    [Range(typeof(TimeSpan), "00:00:00.050", "00:01:00")]
    [Description("What every service in contact is held to: one that takes longer to refuse a session that has ended is late.")]
    public TimeSpan Target { get; set; } = TimeSpan.FromSeconds(1);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Account is not null && !EmailAddress.TryParse(Account, out _)) yield return new ValidationResult("no e-mail address. Give that of an admin.", [nameof(Account)]);
        if (Account is null && Every is not null) yield return new ValidationResult("isn't set, and Drill:Every is. Give the e-mail address of an admin.", [nameof(Account)]);
    }
}
