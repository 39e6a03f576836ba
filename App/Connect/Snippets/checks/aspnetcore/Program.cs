using System.Security.Claims;
using Gatehouse;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddAuthentication().AddGatehouse(o => (o.Issuer, o.Audience, o.ClientId) = ("{issuer}", "{audience}", "{client_id}"));
builder.Services.AddAuthorization();

var app = builder.Build();
app.MapGet("/", (ClaimsPrincipal user) => new { hello = user.FindFirstValue("email") }).RequireAuthorization();
app.Run();
