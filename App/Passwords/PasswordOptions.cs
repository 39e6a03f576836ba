using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace App.Passwords;

/// <summary>What a password must be, and how much work at a time goes into hashing it.</summary>
internal sealed class PasswordOptions : IValidatableObject
{
    [Range(1, 128)]
    [Description("Fewest characters of a password (Unicode characters after NFC normalisation).")]
    public int MinLength { get; set; } = 15;

    [Range(1, 128)]
    [Description("Fewest characters for somebody who also has a second factor; never asks for more than MinLength does.")]
    public int MinLengthWithSecondFactor { get; set; } = 8;

    [Range(8, 1024)]
    [Description("Most characters of a password.")]
    public int MaxLength { get; set; } = 128;

    [Description("Refuse passwords that are guessed first: the embedded list, patterns, the person's own name and address.")]
    public bool RejectCommon { get; set; } = true;

    [Range(0, 256)]
    [Description("Threads that do nothing but hash passwords, at low priority; each needs 19 MiB while it works. 0 is one per processor core.")]
    public int HashingThreads { get; set; }

    // A hash takes about 20 ms: on two cores the last of 200 waits two seconds, and nobody waits longer for a sign-in gladly.
    [Range(1, 100_000)]
    [Description("Passwords that may wait to be hashed. Past that the answer is 503 with Retry-After; a core hashes about 50 a second.")]
    public int QueueLength { get; set; } = 200;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (MinLength > MaxLength)
        {
            yield return new ValidationResult(
                $"MinLength ({MinLength}) must not be above MaxLength ({MaxLength}).", [nameof(MinLength), nameof(MaxLength)]);
        }
    }
}
