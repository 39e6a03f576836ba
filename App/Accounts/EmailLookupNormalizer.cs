using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Identity;

namespace App.Accounts;

/// <summary>Gives Identity the one key per address. What isn't an address (a role's name) is compared in upper case.</summary>
internal sealed class EmailLookupNormalizer : ILookupNormalizer
{
    [return: NotNullIfNotNull(nameof(name))]
    public string? NormalizeName(string? name) => KeyOf(name);

    [return: NotNullIfNotNull(nameof(email))]
    public string? NormalizeEmail(string? email) => KeyOf(email);

    // No normalisation for the rest: it could turn what was refused as an address into somebody's key.
    private static string? KeyOf(string? text) =>
        text is null ? null
        : EmailAddress.TryParse(text, out var address) ? address.Key
        : string.Concat(text.EnumerateRunes()).ToUpperInvariant();
}
