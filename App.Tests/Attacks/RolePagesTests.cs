using System.Buffers.Text;
using System.Net;
using System.Text.RegularExpressions;
using AngleSharp.Html.Parser;
using App.Data;
using App.Tests.Admin;
using App.Tests.Factors;
using App.Tests.OAuth;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Attacks;

/// <summary>Every page and every answer that can be looked at, in each role, those too that are built after this was written: no hash, stamp, token or seed is in any (ATTACKS 197).</summary>
public sealed partial class RolePagesTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(Callers.Settings);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Whoever_looks_sees_no_secret_of_anybody()
    {
        var admin = await _app.TurnOnTwoStepAsync(await _app.NewAdminAsync());
        var user = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var made = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Post, "/api/admin/services", cookies: admin.User.Cookies, json: new { id = "stock" }));
        await _app.SendAsync(HttpMethod.Put, "/api/admin/services/stock/push", cookies: admin.User.Cookies, json: new { url = "https://stock.example", secret = "what-we-send-to-the-receiver" });
        var secrets = new List<string> { made.GetProperty("client_secret").GetString()!, "what-we-send-to-the-receiver", Callers.Secret, Callers.Other, "$argon2", TestApp.Password };
        foreach (var (person, row) in new[] { admin, user }.Zip(await RowsAsync(admin.User.Id, user.User.Id)))
        {
            secrets.AddRange([row.PasswordHash!, row.SecurityStamp!, row.ConcurrencyStamp!, person.User.RefreshToken, person.User.AccessToken, person.User.SessionCookie, .. person.Codes]);
            secrets.AddRange([Convert.ToBase64String(person.Secret), Convert.ToHexString(person.Secret), Base64Url.EncodeToString(person.Secret), Base32(person.Secret), Base32(person.Secret, 4)]);
        }

        secrets.Add((await File.ReadAllTextAsync(Path.Combine(_app.Folder, "master.key"))).Trim());
        var (found, seen, twice) = (new List<string>(), new Dictionary<string, int>(), new List<string>());
        foreach (var (role, cookies) in new[] { ("nobody", null), ("a person", user.User.Cookies), ("an admin", admin.User.Cookies) })
        {
            foreach (var path in Paths().SelectMany(p => p.Contains('{', StringComparison.Ordinal) ? new[] { user.User.Id.ToString(), user.User.SessionId.ToString(), "stock", "orders" }.Select(id => Parameter().Replace(p, id)) : [p]))
            {
                using var answer = await _app.SendAsync(HttpMethod.Get, path, cookies: cookies);
                if (answer.StatusCode == HttpStatusCode.OK) seen[role] = seen.GetValueOrDefault(role) + 1;
                var text = await answer.Content.ReadAsStringAsync();
                if (answer.Content.Headers.ContentType?.MediaType == "text/html") twice.AddRange(SaidTwice(text).Select(name => $"{path}: {name}"));
                found.AddRange(secrets.Where(secret => WebUtility.HtmlDecode(text).Contains(secret, StringComparison.OrdinalIgnoreCase)).Select(secret => $"{role} at {path}: {secret}"));
            }
        }

        Assert.Equal([], found);
        Assert.Equal([], twice); // ATTACKS 121: such a form would be refused
        // So many were there to be looked at.
        var (nobody, aPerson, anAdmin) = (seen.GetValueOrDefault("nobody"), seen.GetValueOrDefault("a person"), seen.GetValueOrDefault("an admin"));
        Assert.True(nobody >= 20 && aPerson >= nobody + 10 && anAdmin >= aPerson + 15, $"{nobody}, {aPerson}, {anAdmin}");
    }

    private static IEnumerable<string> SaidTwice(string html) => new HtmlParser().ParseDocument(html).QuerySelectorAll("form").SelectMany(form => form
        .QuerySelectorAll("input[name]:not([type=radio]), select[name], textarea[name]").Select(field => field.GetAttribute("name")!).GroupBy(name => name).Where(same => same.Count() > 1).Select(same => same.Key));

    // What is the same for everybody holds nothing of anybody; neither do files.
    private IEnumerable<string> Paths() => _app.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
        .Where(e => e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains("GET") == true && e.Metadata.GetMetadata<Microsoft.AspNetCore.StaticAssets.StaticAssetDescriptor>() is null)
        .Select(e => "/" + e.RoutePattern.RawText!.Trim('/')).Where(path => !path.StartsWith("/_", StringComparison.Ordinal)).Distinct();

    private Task<List<User>> RowsAsync(Guid admin, Guid user) => _app.DbAsync(async db =>
        (await db.Users.AsNoTracking().Where(u => u.Id == admin || u.Id == user).ToListAsync()).OrderBy(u => u.Id == user).ToList());

    private static string Base32(byte[] bytes, int group = int.MaxValue)
    {
        var bits = string.Concat(bytes.Select(b => b.ToString("b8", System.Globalization.CultureInfo.InvariantCulture)));
        var text = bits.Chunk(5).Select(five => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Convert.ToInt32(new string(five).PadRight(5, '0'), 2)]).ToArray();
        return string.Join(' ', text.Chunk(Math.Min(group, text.Length)).Select(c => new string(c)));
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
