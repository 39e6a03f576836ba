using System.Text;
using App.Gateway;
using App.OAuth;

namespace App.Connect;

/// <summary>One way to make a service trust us: the files it takes, and what is typed around them.</summary>
/// <param name="Files">Path within <c>Snippets/</c>; the name it has in the service is its last segment.</param>
/// <param name="Install">Commands that fetch what others publish.</param>
/// <param name="Verifier">The verifier that lies beside the files: its language at <c>/verifiers/{language}</c>, and its name there.</param>
/// <param name="Run">The command that starts it on port 3000.</param>
/// <param name="IsTested">Whether our own tests run these very files.</param>
internal sealed record Recipe(
    string Id, string Name, TrustMode Trust, IReadOnlyList<string> Files, string? Install = null, (string Language, string Path)? Verifier = null, string? Run = null, bool IsTested = true)
{
    /// <summary>It knows our keys but follows no feed of events, and never proves to us who it is.</summary>
    public bool NoticesOnlyAtExpiry { get; init; }

    /// <summary>As <see cref="ProxyConfiguration.TakesCookies"/>: a browser that is signed in can just open it.</summary>
    public bool TakesCookies { get; init; } = true;

    /// <summary>As <see cref="ProxyConfiguration.NeedsHttps"/>.</summary>
    public bool NeedsHttps { get; init; }

    /// <summary>Our own gateway, to which nothing need be told of itself.</summary>
    public bool IsBuiltIn => Id == Recipes.BuiltIn;
}

/// <summary>What recipes are filled in with.</summary>
/// <param name="Gatehouse">Where a proxy reaches us: host and port.</param>
internal sealed record RecipeSettings(string Issuer, string Gatehouse, string Audience, string ClientId, string SessionCookie, string RefreshCookie, string DeviceCookie)
{
    /// <summary>Where the service listens, and the proxy in front of it.</summary>
    public const string Upstream = "127.0.0.1:3000", Listen = "localhost:8080";

    public const string Folder = "/etc/gatehouse";

    private IEnumerable<string> All => [Issuer, Gatehouse, Audience, ClientId, SessionCookie, RefreshCookie, DeviceCookie];

    /// <summary>Whether none of the values could end the text that it stands in and go on as code.</summary>
    public bool AreSafe => All.All(ProxyConfigurations.CanTake);

    public ProxySettings Proxy => new(Issuer, Gatehouse, Upstream, Listen, Folder, Audience, ClientId) { SessionCookie = SessionCookie, RefreshCookie = RefreshCookie, DeviceCookie = DeviceCookie };
}

/// <summary>The code that a service's page shows and our tests run: one source for both.</summary>
internal static class Recipes
{
    /// <summary>What we must be told of a proxy on the same machine.</summary>
    public const string GatewaySettings = $"export Proxy__TrustedNetworks__0=127.0.0.1\nexport Gateway__AllowedOrigins__0=http://{RecipeSettings.Listen}";

    public const string BuiltIn = "built-in";

    private const string GetToken = """curl -s -H 'Content-Type: application/json' -d '{"email":"you@example.com","password":"your password"}' {issuer}/api/tokens""";

    // Of what it answers, one header is the token that the service alone takes.
    private const string Bind = "curl -si -H 'Authorization: Bearer ACCESS_TOKEN' '{issuer}/auth/verify?audience={client_id}' | grep -i '^authorization'";

    private const string Introspect = "asks/node/introspect.mjs";
    private const string NewWeb = "dotnet new web";

    public static readonly IReadOnlyList<Recipe> All =
    [
        new("express", "Express", TrustMode.ChecksItself, ["checks/express/server.mjs"], "npm install express jose", ("node", "gatehouse.mjs"), "PORT=3000 node server.mjs"),
        new("fastify", "Fastify", TrustMode.ChecksItself, ["checks/fastify/server.mjs"], "npm install fastify jose", ("node", "gatehouse.mjs"), "PORT=3000 node server.mjs"),
        new("aspnetcore", "ASP.NET Core", TrustMode.ChecksItself, ["checks/aspnetcore/Program.cs"],
            NewWeb + " && dotnet add package Microsoft.AspNetCore.Authentication.JwtBearer --version \"10.*\"", ("dotnet", "Gatehouse.cs"), "dotnet run --urls http://localhost:3000"),
        new("fastapi", "FastAPI", TrustMode.ChecksItself, ["checks/fastapi/main.py"], "pip install fastapi uvicorn 'pyjwt[crypto]'", ("python", "gatehouse.py"), "python3 -m uvicorn main:app --port 3000"),
        new("go", "Go", TrustMode.ChecksItself, ["checks/go/main.go"], "go mod init {client_id} && go get github.com/golang-jwt/jwt/v4", ("go", "gatehouse/gatehouse.go"), "PORT=3000 go run ."),
        new("spring", "Spring", TrustMode.ChecksItself, ["checks/spring/application.yml", "checks/spring/GatehouseTokens.java"], IsTested: false) { NoticesOnlyAtExpiry = true, TakesCookies = false },

        new("express", "Express", TrustMode.Asks, ["asks/express/server.mjs", Introspect], "npm install express", Run: "PORT=3000 node server.mjs"),
        new("fastify", "Fastify", TrustMode.Asks, ["asks/fastify/server.mjs", Introspect], "npm install fastify", Run: "PORT=3000 node server.mjs"),
        new("aspnetcore", "ASP.NET Core", TrustMode.Asks, ["asks/aspnetcore/Program.cs", "asks/aspnetcore/Introspection.cs"], NewWeb, Run: "dotnet run --urls http://localhost:3000"),
        new("fastapi", "FastAPI", TrustMode.Asks, ["asks/fastapi/main.py"], "pip install fastapi uvicorn", Run: "python3 -m uvicorn main:app --port 3000"),
        new("go", "Go", TrustMode.Asks, ["asks/go/main.go"], "go mod init {client_id}", Run: "PORT=3000 go run ."),
        new("spring", "Spring", TrustMode.Asks, ["asks/spring/application.yml", "asks/spring/GatehouseTokens.java"], IsTested: false) { TakesCookies = false },

        .. ProxyConfigurations.All.Select(p => new Recipe(p.Id, ShortName(p), TrustMode.Gateway, p.Files, IsTested: p.IsTested) { NoticesOnlyAtExpiry = !p.Asks, TakesCookies = p.TakesCookies, NeedsHttps = p.NeedsHttps }),
        new(BuiltIn, "", TrustMode.Gateway, ["gateway/appsettings.json"]), // it goes by the brand
    ];

    /// <summary>A call as a program makes it.</summary>
    /// <param name="address">Where the service is, or the proxy in front of it.</param>
    /// <param name="bound">Whether it takes nothing but tokens that are made for it.</param>
    public static string Hello(string address, bool bound, RecipeSettings settings) =>
        Fill(GetToken + "\n" + (bound ? Bind + "\n" : ""), settings) + $"curl -H 'Authorization: Bearer {(bound ? "BOUND" : "ACCESS")}_TOKEN' {address}";

    public static IReadOnlyList<Recipe> Of(TrustMode trust) => [.. All.Where(r => r.Trust == trust)];

    /// <summary>A file's text with every gap filled. The settings must be safe.</summary>
    public static string Fill(Recipe recipe, string file, RecipeSettings settings) =>
        recipe.Trust == TrustMode.Gateway && !recipe.IsBuiltIn
            // Asked for a bare host, Caddy would make a certificate for it.
            ? ProxyConfigurations.Fill(file, recipe.Id == "caddy" ? settings.Proxy with { Listen = "http://" + RecipeSettings.Listen } : settings.Proxy)
            : Fill(Read(file), settings);

    /// <summary>The same for a command.</summary>
    public static string Fill(string text, RecipeSettings settings) => new StringBuilder(text)
        .Replace("{issuer}", settings.Issuer).Replace("{audience}", settings.Audience).Replace("{client_id}", settings.ClientId)
        .Replace("{session_cookie}", settings.SessionCookie).Replace("{upstream}", RecipeSettings.Upstream).ToString();

    // "nginx, auth_request" is nginx here; the second way with the same proxy says what is different about it.
    private static string ShortName(ProxyConfiguration proxy)
    {
        var name = proxy.Name.Split(',')[0];
        return ProxyConfigurations.All.First(p => p.Name.StartsWith(name, StringComparison.Ordinal)) == proxy ? name : $"{name} {proxy.Name.Split(' ')[^1]}";
    }

    private static string Read(string file)
    {
        using var stream = typeof(Recipes).Assembly.GetManifestResourceStream("Snippets/" + file)
            ?? throw new InvalidOperationException($"{file} isn't embedded.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
