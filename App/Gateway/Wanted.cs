using Microsoft.AspNetCore.WebUtilities;

namespace App.Gateway;

/// <summary>What a proxy's configuration asks for, in the query of <c>/auth/verify</c>. It is never the original request's.</summary>
/// <param name="IsAmbiguous">More than one audience: somebody else has a hand in the query.</param>
/// <param name="IsMisspelled">A name that is none, such as <c>roles</c>: whoever wrote it meant to demand something, and passing everybody isn't it.</param>
internal readonly record struct Wanted(string? Audience, bool IsAmbiguous, string? Role, IReadOnlyList<string> MoreRoles, bool Redirect, bool IsMisspelled)
{
    /// <summary>Nothing is allocated but the values; names are matched exactly.</summary>
    public static Wanted Read(QueryString query)
    {
        if (!query.HasValue) return new(null, false, null, [], false, false);
        var (audience, ambiguous, role, redirect, misspelled, appended) = ((string?)null, false, (string?)null, false, false, false);
        List<string>? more = null;
        foreach (var pair in new QueryStringEnumerable(query.Value))
        {
            switch (pair.DecodeName().Span)
            {
                case "audience":
                    ambiguous |= appended || audience is not null;
                    audience = pair.DecodeValue().ToString();
                    break;
                case "role" when role is null:
                    role = pair.DecodeValue().ToString();
                    break;
                case "role":
                    (more ??= []).Add(pair.DecodeValue().ToString());
                    break;
                case "redirect" when appended:
                    break;
                case "redirect":
                    redirect = pair.DecodeValue().Span is "true";
                    break;
                case "path":
                    appended = true; // Envoy's: the original address, whose own query comes after it and can demand more, never less
                    break;
                default:
                    misspelled |= !appended;
                    break;
            }
        }

        return new(audience, ambiguous, role, more ?? (IReadOnlyList<string>)[], redirect, misspelled);
    }

    public bool AreRolesOf(CurrentUser user)
    {
        if (Role is null) return true;
        if (!user.Roles.Contains(Role, StringComparer.Ordinal)) return false;
        foreach (var role in MoreRoles)
            if (!user.Roles.Contains(role, StringComparer.Ordinal)) return false;
        return true;
    }
}
