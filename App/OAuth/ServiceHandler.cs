using System.Text;
using System.Text.Encodings.Web;
using App.Events;
using App.Ops;
using App.Sessions;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace App.OAuth;

/// <summary>
/// A service proves who it is: HTTP Basic (RFC 6749 section 2.3.1), a client-credentials token of ours, or, under <c>/connect</c>,
/// <c>client_id</c> and <c>client_secret</c> in the form. One way at a time. Cookies and people's tokens are never looked at.
/// </summary>
internal sealed class ServiceHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, ServiceRegistry registry, ServiceTokens tokens, TimeProvider time)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public new const string Scheme = "Service";

    /// <summary>How a service that didn't prove who it is is asked to, at whichever route: RFC 7617 section 2 demands a realm.</summary>
    public const string BasicChallenge = "Basic realm=\"services\", charset=\"UTF-8\"";

    /// <summary>RFC 6749 section 2.3.</summary>
    public const string OneWayAlone = "A service says and proves who it is in one way alone";

    private const string Basic = "Basic ";
    private const string Bearer = "Bearer ";
    private const int LongestHeader = 2048;

    private static readonly AuthenticateResult Refused = AuthenticateResult.Fail("The credentials are not good.");

    private bool _twoWays;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization;
        var form = Request.Path.StartsWithSegments("/connect", StringComparison.OrdinalIgnoreCase) ? await ConnectForm.ReadAsync(Context) : null;
        var inForm = IsInForm(form, "client_secret");
        if (header.Count == 0 && !inForm) return AuthenticateResult.NoResult();
        if (header.Count > 1) return Refused;
        _twoWays = header.Count == 1 && inForm;
        if (_twoWays) return Refused;
        if (inForm) return form!["client_id"] is [{ } id] && form["client_secret"] is [{ } secret] ? BySecret(id, secret) : Refused;

        var result = await ByHeaderAsync(header[0] ?? "");
        _twoWays = result.Succeeded && NamesAnother(form, CallingService.From(result.Principal)!.Id);
        return _twoWays ? Refused : result;
    }

    /// <summary>Whether a form has that member; one without a value is as if it weren't there (RFC 6749 section 3.2).</summary>
    public static bool IsInForm(IFormCollection? form, string member) => form is not null && !StringValues.IsNullOrEmpty(form[member]);

    /// <summary>Whether a form has a <c>client_id</c> that isn't the one that the header proved. The same id in both is said once.</summary>
    public static bool NamesAnother(IFormCollection? form, string id) => IsInForm(form, "client_id") && form!["client_id"] != id;

    private async ValueTask<AuthenticateResult> ByHeaderAsync(string line)
    {
        if (line.StartsWith(Basic, StringComparison.OrdinalIgnoreCase)) return ByBasic(line);
        if (SessionHandler.BearerIn(line) is not { } bearer) return Refused;
        if (await tokens.CheckAsync(bearer.ToString()) is not var (service, token)) return Refused;
        Context.Features.Set(new ShownToken(token.TokenId, token.KeyId, DateTimeOffset.FromUnixTimeSeconds(token.ExpiresAt)));
        return Accept(service, token.SecretId);
    }

    private AuthenticateResult BySecret(string id, string secret) =>
        registry.Authenticate(id, secret) is var (service, secretId) ? Accept(service, secretId) : Refused;

    // A client that keeps its connection sends the same header again and again, and the server then hands out the very same string.
    // What it proved holds for as long as nothing in the registry has changed: each change makes the services anew.
    private AuthenticateResult ByBasic(string line)
    {
        var connection = KeptConnection.ItemsOf(Context);
        if (connection is not null && connection.TryGetValue(typeof(Shown), out var held) && held is Shown shown
            && ReferenceEquals(shown.Line, line) && ReferenceEquals(registry.Find(shown.Service.Client.ClientId!), shown.Service)) return Accept(shown.Service, shown.SecretId);
        if (ReadBasic(line) is not var (user, password) || registry.Authenticate(user, password) is not var (service, secretId)) return Refused;
        if (connection is not null) connection[typeof(Shown)] = new Shown(line, service, secretId);
        return Accept(service, secretId);
    }

    private AuthenticateResult Accept(RegisteredService service, string secretId)
    {
        service.Contact.Touch(time.GetUtcNow());
        return service.ResultOf(secretId);
    }

    /// <summary>What a header <c>Basic</c> says; null for any other, or one that can't be read. Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1, appendix B).</summary>
    public static (string Id, string Secret)? ReadBasic(string line)
    {
        if (line.Length > LongestHeader || !line.StartsWith(Basic, StringComparison.OrdinalIgnoreCase)) return null;
        Span<byte> bytes = stackalloc byte[LongestHeader];
        if (!Convert.TryFromBase64Chars(line.AsSpan(Basic.Length).Trim(), bytes, out var length)) return null;
        var text = Encoding.UTF8.GetString(bytes[..length]);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon <= 0 ? null : (Decode(text[..colon]), Decode(text[(colon + 1)..]));
    }

    private static string Decode(string text) => text.AsSpan().IndexOfAny('%', '+') < 0 ? text : Uri.UnescapeDataString(text.Replace('+', ' '));

    private sealed record Shown(string Line, RegisteredService Service, string SecretId)
    {
        public override string ToString() => "(shown credentials)";
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Refusals.Note(Context, "service");
        Response.Headers.CacheControl = "no-store";
        if (_twoWays)
        {
            var refused = Problems.BadRequest(OneWayAlone);
            refused.ProblemDetails.Extensions["error"] = "invalid_request"; // RFC 6749 section 5.2
            return refused.ExecuteAsync(Context);
        }

        var bearer = Request.Headers.Authorization.ToString().StartsWith(Bearer, StringComparison.OrdinalIgnoreCase);
        Response.Headers.WWWAuthenticate = new([BasicChallenge, bearer ? Problems.InvalidToken : "Bearer"]);
        var problem = Problems.NotAuthorized();
        problem.ProblemDetails.Extensions["error"] = bearer ? "invalid_token" : "invalid_client"; // RFC 6749 section 5.2, RFC 6750 section 3.1
        return problem.ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => Problems.Forbidden().ExecuteAsync(Context);
}
