using App.OAuth;
using App.Services;
using App.Sessions;
using App.Tokens;

namespace App.Connect;

/// <summary>All that the page shows of connecting one service.</summary>
/// <param name="Files">Name and text of each; empty where the service's values can't stand in code.</param>
/// <param name="Setup">Commands that come before the files, one a line; null for none.</param>
/// <param name="Audience">The <c>aud</c> of the tokens that it takes.</param>
/// <param name="TakesEverybodys">Whether these are the tokens that our cookie holds.</param>
/// <param name="SharesCookies">Whether a browser that is signed in here shows our cookie to a service on the developer's own machine.</param>
internal sealed record ConnectView(
    ServiceView Service, TrustMode Trust, IReadOnlyList<Recipe> Recipes, Recipe Recipe, IReadOnlyList<(string Name, string Text)> Files,
    string? Setup, string? Run, string Audience, bool TakesEverybodys, bool SharesCookies, RecipeSettings Settings)
{
    /// <summary>Whether the proxy would refuse to call us as we are.</summary>
    public bool LacksHttps => Recipe.NeedsHttps && new Uri(Settings.Issuer).Scheme != Uri.UriSchemeHttps;
}

/// <summary>A service's code in one language or for one proxy, filled in with who it is and who we are. Its secret is never in it.</summary>
internal sealed class ShowConnect(ShowService show, PublicUrl publicUrl, TokenOptions tokens, CookieNames cookies)
{
    /// <param name="trust">The way to show; null for the one that the service is registered with.</param>
    /// <param name="code">The recipe's id; null for the first.</param>
    /// <returns>Null for a service that there isn't.</returns>
    public async Task<ConnectView?> TryAsync(string id, string? trust, string? code, CancellationToken ct)
    {
        if (await show.TryAsync(id, ct) is not { } service) return null;
        var mode = Enum.TryParse<TrustMode>(trust ?? service.Trust, out var wanted) && Enum.IsDefined(wanted) ? wanted : Enum.Parse<TrustMode>(service.Trust);
        var recipes = Recipes.Of(mode);
        var recipe = recipes.FirstOrDefault(r => r.Id == code) ?? recipes[0];
        // Behind a gateway a service has a token of its own made for it; elsewhere it may take everybody's.
        var audience = service.Audience ?? (mode == TrustMode.Gateway ? service.Id : tokens.Audience);
        var settings = new RecipeSettings(publicUrl.Issuer, Reached(new Uri(publicUrl.Issuer)), audience, service.Id, cookies.Session, cookies.Refresh, cookies.Device);
        IReadOnlyList<(string, string)> files = settings.AreSafe ? [.. recipe.Files.Select(f => (NameOf(f), Recipes.Fill(recipe, f, settings)))] : [];
        return new(service, mode, recipes, recipe, files, Setup(recipe, settings), recipe.Run, audience, audience == tokens.Audience, new Uri(publicUrl.Issuer).Host == "localhost", settings);
    }

    private static string NameOf(string file) => file[(file.LastIndexOf('/') + 1)..];

    private static string? Setup(Recipe recipe, RecipeSettings settings)
    {
        List<string> lines = [];
        if (recipe.Install is { } install) lines.Add(Recipes.Fill(install, settings));
        if (recipe.Verifier is var (language, path)) lines.Add($"curl {(path.Contains('/', StringComparison.Ordinal) ? "--create-dirs " : "")}-o {path} {settings.Issuer}/verifiers/{language}");
        return lines.Count == 0 ? null : string.Join('\n', lines);
    }

    // Where TLS ends in front of us, only its owner knows where we are behind it.
    private static string Reached(Uri issuer) => issuer.Scheme != Uri.UriSchemeHttp ? "<host and port of Gatehouse>"
        // A proxy that comes by ::1 isn't the 127.0.0.1 that we are told to trust.
        : $"{(issuer.Host == "localhost" ? "127.0.0.1" : issuer.Host)}:{issuer.Port}";
}
