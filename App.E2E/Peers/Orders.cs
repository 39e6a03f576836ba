// A service in .NET as a team would write one, with the verifier that Gatehouse serves beside it.
using System.Globalization;
using System.Security.Claims;
using Gatehouse;

var builder = WebApplication.CreateBuilder(args);
builder.Logging.ClearProviders();
builder.Services.AddAuthorization();
builder.Services.AddAuthentication().AddGatehouse(o =>
{
    o.Issuer = Setting("ISSUER")!;
    o.Audience = Setting("AUDIENCE")!;
    o.Url = Setting("URL");
    if (Setting("WHEN_STALE") is { } choice) o.WhenStale = Enum.Parse<WhenStale>(choice, ignoreCase: true);
    if (Setting("STALE_AFTER") is { } limit) o.StaleAfter = TimeSpan.FromSeconds(int.Parse(limit, CultureInfo.InvariantCulture));
    if (Setting("NOW") is { } now) o.Time = new StoppedClock(long.Parse(now, CultureInfo.InvariantCulture));
});
var app = builder.Build();
app.MapGet("/", (ClaimsPrincipal user) => new { id = user.FindFirstValue("sub"), email = user.FindFirstValue("email") }).RequireAuthorization();
app.MapGet("/stats", (GatehouseVerifier gate) => gate.Stats());
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"listening {new Uri(app.Urls.First()).Port}"));
if (Setting("STARTS_AFTER") is { } seconds) await Task.Delay(TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture)));
app.Run("http://127.0.0.1:0");

static string? Setting(string name) => Environment.GetEnvironmentVariable(name);

internal sealed class StoppedClock(long now) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeSeconds(now);
}
