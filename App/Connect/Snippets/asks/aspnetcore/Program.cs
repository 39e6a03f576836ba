using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddHttpClient();
builder.Services.AddAuthentication("Gatehouse").AddScheme<AuthenticationSchemeOptions, Introspection>("Gatehouse", null);
builder.Services.AddAuthorization();

var app = builder.Build();
app.MapGet("/", (ClaimsPrincipal user) => new { hello = user.FindFirstValue("email") }).RequireAuthorization();
app.Run();
