using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using App.E2E.Harness;

namespace App.E2E.Peers;

/// <summary>The code of each language and way, taken from the page and run side by side against one Gatehouse.</summary>
public sealed class CopiedServices : IAsyncLifetime
{
    public static readonly string[] Ways = ["ChecksItself", "Asks"];
    public static readonly string[] Languages = ["express", "fastify", "aspnetcore", "fastapi", "go"];

    private readonly ConcurrentDictionary<string, CopiedService> _services = new();
    private Service? _gatehouse;
    private Admin? _admin;

    /// <summary>Of a service that is none of these.</summary>
    internal string ServicesToken { get; private set; } = "";

    internal Service Gatehouse => _gatehouse!;
    internal Admin Admin => _admin!;

    internal CopiedService Of(string way, string language) => _services[IdOf(way, language)];

    internal static string IdOf(string way, string language) => $"{language}-{way.ToLowerInvariant()}";

    public async Task InitializeAsync()
    {
        // The admin's token is of the beginning: on a cold machine the builds take longer than it is good for by default.
        _gatehouse = await Service.StartAsync(null, ("Tokens__AccessTokenLifetime", "01:00:00"));
        _admin = await Admin.NewAsync(_gatehouse);
        ServicesToken = await _gatehouse.Client.GetOwnTokenAsync("caller", await _admin.AddServiceAsync("caller", "Asks"));
        try
        {
            await Task.WhenAll(from way in Ways from language in Languages select StartAsync(way, language));
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var service in _services.Values) await service.DisposeAsync();
        await Gatehouse.DisposeAsync();
    }

    private async Task StartAsync(string way, string language)
    {
        var id = IdOf(way, language);
        var secret = await Admin.AddServiceAsync(id, way);
        var code = await ShownCode.ReadAsync(Gatehouse, Admin.Credentials.CookieHeader, id, language);
        _services[id] = await CopiedService.StartAsync(code, language, id, secret, Gatehouse);
    }
}

[Collection("Code to copy")]
public sealed class CopiedCodeTests(CopiedServices services) : IClassFixture<CopiedServices>
{
    public static TheoryData<string, string> Everything()
    {
        var all = new TheoryData<string, string>();
        foreach (var way in CopiedServices.Ways)
            foreach (var language in CopiedServices.Languages) all.Add(way, language);
        return all;
    }

    [Theory]
    [MemberData(nameof(Everything))]
    public async Task Copied_code_greets_whoever_is_signed_in_and_refuses_them_once_their_session_has_ended(string way, string language)
    {
        var (gatehouse, service) = (services.Gatehouse, services.Of(way, language));
        var ada = Person.New();
        var credentials = await gatehouse.Client.SignUpAsync(ada);
        var other = await gatehouse.Client.GetTokensAsync(ada);
        var token = credentials.AccessToken;

        Assert.Null(await service.GreetsAsync());
        Assert.Null(await service.GreetsAsync(bearer: token[..^8] + "AAAAAAAA"));
        Assert.Null(await service.GreetsAsync(bearer: "nonsense", cookie: credentials.CookieHeader));
        Assert.Null(await service.GreetsAsync(cookie: "session=nonsense"));
        // Both are good, and neither is somebody who calls.
        Assert.Null(await service.GreetsAsync(bearer: other.RefreshToken));
        Assert.Null(await service.GreetsAsync(bearer: services.ServicesToken));
        Assert.Equal(ada.Email, await service.GreetsAsync(cookie: credentials.CookieHeader));
        Assert.Equal(ada.Email, await service.GreetsAsync(bearer: token));
        Assert.Equal(ada.Email, await service.GreetsAsync(bearer: "  " + token)); // RFC 6750 section 2.1: one space or several
        Assert.True((await ShownCode.ReadAsync(gatehouse, services.Admin.Credentials.CookieHeader, CopiedServices.IdOf(way, language))).Seen, "The page still waits for its first call.");

        var sid = Credentials.Claims(token)["sid"]!.GetValue<string>();
        using (var ended = await gatehouse.Client.SendAsync(HttpMethod.Delete, $"/api/sessions/{sid}", bearer: other.AccessToken))
            Assert.True(ended.IsSuccessStatusCode, $"{ended.StatusCode}");
        var clock = Stopwatch.StartNew();
        // Whoever asks knows at the next request; whoever checks by itself, as soon as the feed has said so.
        for (var asked = clock.Elapsed; await service.GreetsAsync(bearer: token) is not null; asked = clock.Elapsed)
        {
            Assert.Equal("ChecksItself", way);
            Assert.True(asked < TimeSpan.FromSeconds(1), "Still greeted a second after the end.");
            await Task.Delay(5);
        }

        Assert.Null(await service.GreetsAsync(cookie: $"session={credentials.Session}"));
        Assert.Equal(ada.Email, await service.GreetsAsync(bearer: other.AccessToken));
    }

    [Fact]
    public async Task While_Gatehouse_does_not_answer_whoever_asks_says_so_within_seconds_and_lets_nobody_in()
    {
        var credentials = await services.Gatehouse.Client.SignUpAsync(Person.New());
        var clock = Stopwatch.StartNew();
        try
        {
            await services.Gatehouse.HangAsync();
            await Task.WhenAll(CopiedServices.Languages.Select(async language =>
            {
                using var answer = await services.Of("Asks", language).Client.SendAsync(HttpMethod.Get, "/", credentials.AccessToken);
                Assert.True(answer.StatusCode == HttpStatusCode.ServiceUnavailable, $"{language}: {answer.StatusCode}");
            }));
        }
        finally
        {
            await services.Gatehouse.GoOnAsync();
        }

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(8), $"{clock.Elapsed}");
    }
}
