using System.Text.RegularExpressions;
using App.Ui;

namespace App.OAuth;

/// <summary>What a service may be called and may ask for; one set of rules for pages, endpoints and settings.</summary>
internal static partial class ServiceRules
{
    private const int MostEntries = 20;

    public static IEnumerable<Fault> Faults(ServiceDescription service)
    {
        if (!Id().IsMatch(service.Id)) yield return new Fault("An id is 1 to 64 of a-z, 0-9 and hyphen", nameof(service.Id), () => Text.BadId);
        // A service's own tokens bear its id as their subject; it must be nobody's.
        else if (Guid.TryParse(service.Id, out _)) yield return new Fault("An id must not look like a user's", nameof(service.Id), () => Text.IdLikeUsers);
        if (string.IsNullOrWhiteSpace(service.Name) || service.Name.Length > ServiceDescription.LongestName || service.Name.Any(char.IsControl))
            yield return new Fault($"A name is 1 to {ServiceDescription.LongestName} characters", nameof(service.Name), () => Sentence.With(Text.BadName, ServiceDescription.LongestName));
        if (service.Audience is { } audience && (audience.Length > 200 || audience.Any(c => c is <= ' ' or > '~')))
            yield return new Fault("An audience is 1 to 200 printable characters without spaces", nameof(service.Audience), () => Text.BadAudience);
        // A list in JSON may hold null, whatever its type says.
        if (service.Scopes.Count > MostEntries || service.Scopes.Any(s => s is null || !Scope().IsMatch(s)))
            yield return new Fault($"Scopes are at most {MostEntries} names of 1 to 60 characters, as RFC 6749 section 3.3 allows", nameof(service.Scopes));
        if (service.Grants.Any(g => !ServiceDescription.KnownGrants.Contains(g)))
            yield return new Fault($"Grants are of: {string.Join(", ", ServiceDescription.KnownGrants)}", nameof(service.Grants));
        if (service.RedirectUris.Count > MostEntries || service.RedirectUris.Any(u => u is null || !IsRedirect(u)))
            yield return new Fault("Redirect URIs are https, or http on a loopback address, without a fragment", nameof(service.RedirectUris));
    }

    /// <summary>
    /// What a token may be addressed to is compared letter by letter, but a database may take two spellings for one (SQL Server's usual collation
    /// does), and so may whoever reads them: no two names in use may differ only in the case of their letters. The same name twice is one.
    /// </summary>
    /// <param name="names">Ids and audiences of services, and the audience of tokens meant for everybody.</param>
    /// <returns>Two that are at fault; null where there are none.</returns>
    public static (string One, string Other)? ApartOnlyInCase(IEnumerable<string> names) =>
        names.Distinct(StringComparer.Ordinal).GroupBy(n => n, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Skip(1).Any()) is { } group
            ? (group.ElementAt(0), group.ElementAt(1))
            : null;

    // RFC 9700 section 2.1 and RFC 8252 section 7.3.
    private static bool IsRedirect(string text) =>
        text.Length <= 500 && Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Fragment.Length == 0 && uri.UserInfo.Length == 0
        && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback));

    [GeneratedRegex(ServiceDescription.IdPattern)]
    private static partial Regex Id();

    [GeneratedRegex(@"^[\x21\x23-\x5B\x5D-\x7E]{1,60}\z")]
    private static partial Regex Scope();
}
