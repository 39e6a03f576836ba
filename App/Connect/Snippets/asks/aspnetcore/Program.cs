using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using Microsoft.AspNetCore.Authentication;

var builder = WebApplication.CreateBuilder(args);
var secret = builder.Configuration["GATEHOUSE_CLIENT_SECRET"] is { Length: > 0 } given ? given
    : throw new InvalidOperationException("Set GATEHOUSE_CLIENT_SECRET to the secret of {client_id}.");
builder.Services.AddHttpClient("Gatehouse", client =>
{
    client.Timeout = TimeSpan.FromSeconds(2);
    client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic",
        Convert.ToBase64String(Encoding.UTF8.GetBytes("{client_id}:" + Uri.EscapeDataString(secret))));
});
builder.Services.AddAuthentication("Gatehouse").AddScheme<AuthenticationSchemeOptions, Introspection>("Gatehouse", null);
builder.Services.AddAuthorization();

var app = builder.Build();
app.MapGet("/", (ClaimsPrincipal user) => new { hello = user.FindFirstValue("email") }).RequireAuthorization();
app.Run();
