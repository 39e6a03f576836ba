using System.Text;
using System.Text.Encodings.Web;
using App.Events;
using App.Shared;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace App.Tests.Events;

/// <summary>
/// FOR TESTS ALONE, until the registry of services brings the real scheme: HTTP Basic whose password is "secret" makes anybody a service.
/// The user name is <c>id</c>, or <c>id@audience</c> for a service that is bound to an audience.
/// </summary>
internal sealed class TestServiceScheme(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    private const string Name = "TestService";

    public static void AddTo(IServiceCollection services)
    {
        services.AddAuthentication().AddScheme<AuthenticationSchemeOptions, TestServiceScheme>(Name, null);
        services.AddAuthorizationBuilder().AddPolicy(CallingService.Policy, p => p.AddAuthenticationSchemes(Name).RequireAuthenticatedUser().RequireAssertion(c => CallingService.From(c.User) is not null));
    }

    public static string Credentials(string service) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(service + ":secret"));

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Request.Headers.Authorization is not [{ } line] || !line.StartsWith("Basic ", StringComparison.Ordinal)) return Task.FromResult(AuthenticateResult.NoResult());
        var parts = Encoding.UTF8.GetString(Convert.FromBase64String(line[6..])).Split(':');
        if (parts is not [var user, "secret"]) return Task.FromResult(AuthenticateResult.Fail("wrong"));
        var service = user.Split('@') is [var id, var audience] ? new CallingService(id, audience) : new CallingService(user, null);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(service.ToPrincipal(), Name)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties) => Problems.NotAuthorized().ExecuteAsync(Context);
}
