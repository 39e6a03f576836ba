using System.Diagnostics;
using System.Net;
using App.Audit;
using App.Data;
using App.Events;
using App.OAuth;
using App.Ops;
using App.Push;
using App.Shared;
using App.Tests.Events;
using App.Tokens;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.OAuth;

public sealed class RegistryTests
{
    [Fact]
    public async Task The_settings_are_reconciled_once_by_several_replicas()
    {
        await using var app = Callers.Start();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => app.ScopedAsync<DeclaredServices, int>(async d =>
        {
            await d.ReconcileAsync(CancellationToken.None);
            return 0;
        })));
        Assert.Equal(["billing", "orders"], await app.DbAsync(db => db.OAuthClients.OrderBy(c => c.ClientId).Select(c => c.ClientId!).ToListAsync()));
        Assert.Equal(2, await app.DbAsync(db => db.Audit.CountAsync(a => a.Action.StartsWith("service-"))));

        // Another secret and one service fewer: what the settings no longer say is good no more.
        const string renewed = "another-secret-of-at-least-32-characters";
        await using var replica = app.StartReplica(("Services:0:Id", "orders"), ("Services:0:Secret", renewed));
        Assert.True(await replica.IsActiveAsync(await replica.ServiceTokenAsync(Callers.Basic("orders", renewed)), Callers.Basic("orders", renewed)));
        Assert.Null(replica.Get<ServiceRegistry>().Find("billing"));
        Assert.Null(replica.Get<ServiceRegistry>().Authenticate("orders", Callers.Secret));

        // Soon at the other one: within a second, which LiveServicesTests measures where nothing else runs.
        var watch = Stopwatch.StartNew();
        while (app.Get<ServiceRegistry>().Authenticate("orders", renewed) is null && watch.Elapsed < TimeSpan.FromSeconds(5)) await Task.Delay(10);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(3));
        Assert.Null(app.Get<ServiceRegistry>().Find("billing"));
    }

    [Fact] // The new secret would have been told to nobody, and whoever tries again be told that the service is there.
    public async Task What_was_committed_is_done_though_the_registry_cannot_be_read_again_at_once()
    {
        await using var app = Callers.Start();
        _ = app.Services;
        Assert.True(await app.ScopedAsync<IServiceProvider, bool>(services => services.GetRequiredService<ChangeRegistry>().RunAsync(
            async () =>
            {
                var db = services.GetRequiredService<AppDb>();
                var client = new OAuthClient { Id = Guid.NewGuid(), ClientId = "stock", SecretHash = new byte[32] };
                client.Describe(new ServiceDescription("stock", "Stock", TrustMode.ChecksItself, null, [], [], []));
                db.Add(client);
                // Nobody finds its row from the commit on.
                await db.Database.ExecuteSqlRawAsync("""ALTER TABLE "RegistryVersion" RENAME TO "Away" """);
                return true;
            },
            CancellationToken.None)));
        Assert.Null(app.Get<ServiceRegistry>().Find("stock"));

        await app.DbAsync(db => db.Database.ExecuteSqlRawAsync("""ALTER TABLE "Away" RENAME TO "RegistryVersion" """));
        await app.Get<ServiceRegistry>().CatchUpAsync(CancellationToken.None);
        Assert.NotNull(app.Get<ServiceRegistry>().Find("stock"));
    }

    [Fact]
    public async Task A_declared_secret_is_replaced_at_one_replica_after_the_other_without_a_pause()
    {
        const string before = Callers.Secret, after = "orders-next-secret-of-at-least-32-characters";
        await using var one = TestApp.Start(Declaring(before));
        await using var two = one.StartReplica(Declaring(before));
        Assert.Equal([true, false], await TakenAsync(one));
        Assert.Equal([true, false], await TakenAsync(two));
        var (made, _) = await SetAtAsync();
        foreach (var app in new[] { one, two }) app.Time.Advance(TimeSpan.FromMinutes(1));

        // The first of the two has the new settings; the second, as it runs and as it is started again, doesn't.
        await using var oneNext = one.StartReplica(Declaring(after, before));
        Assert.Equal([true, true], await TakenAsync(oneNext));
        Assert.Equal([true, true], await TakenAsync(two));
        await using var twoAgain = one.StartReplica(Declaring(before));
        Assert.Equal([true, true], await TakenAsync(twoAgain));
        Assert.Single(twoAgain.Log.Lines, l => l.Contains("only the older one of the two secrets of orders", StringComparison.Ordinal));
        await using var twoNext = one.StartReplica(Declaring(after, before));
        Assert.Equal((made + TimeSpan.FromMinutes(1), made), await SetAtAsync());
        Assert.Equal([true, true], await TakenAsync(oneNext));
        Assert.Equal([true, true], await TakenAsync(twoNext));
        var token = await twoNext.ServiceTokenAsync(Callers.Basic("orders", after));

        // Then without the old one.
        await using var oneLast = one.StartReplica(Declaring(after));
        Assert.Equal([false, true], await TakenAsync(oneLast));
        Assert.Equal([false, true], await TakenAsync(twoNext));
        Assert.True(await twoNext.IsActiveAsync(token, Callers.Basic("orders", after)));

        static (string, string?)[] Declaring(string secret, string? old = null) =>
            [("Services:0:Id", "orders"), ("Services:0:Secret", secret), .. old is null ? [] : new (string, string?)[] { ("Services:0:OldSecret", old) }];

        async Task<(DateTimeOffset Current, DateTimeOffset? Old)> SetAtAsync()
        {
            var client = await one.DbAsync(db => db.OAuthClients.AsNoTracking().SingleAsync());
            return (client.SecretSetAt, client.OldSecretSetAt);
        }

        // Which of the two secrets are good at that replica: at both doors alike.
        static async Task<List<bool>> TakenAsync(TestApp app)
        {
            List<bool> taken = [];
            await app.Get<ServiceRegistry>().LoadAsync(); // not to wait for its next look
            foreach (var secret in new[] { before, after })
            {
                var asked = await app.IntrospectAsync("x", Callers.Basic("orders", secret));
                using var feed = await Feed.GetAsync(app, "/events", Callers.Basic("orders", secret));
                Assert.Equal(asked.StatusCode, feed.StatusCode);
                taken.Add(asked.StatusCode == HttpStatusCode.OK);
                if (!taken[^1]) Assert.Equal(HttpStatusCode.Unauthorized, asked.StatusCode);
            }

            return taken;
        }
    }

    [Fact]
    public async Task A_declared_service_says_how_it_trusts_us()
    {
        await using var app = TestApp.Start([.. Callers.Settings, ("Services:1:Trust", "Gateway")]);
        Assert.Equal(TrustMode.ChecksItself, app.Get<ServiceRegistry>().Find("orders")!.Description.Trust);
        Assert.Equal(TrustMode.Gateway, app.Get<ServiceRegistry>().Find("billing")!.Description.Trust);
    }

    [Fact]
    public async Task No_secret_rests_in_the_database_or_in_the_log()
    {
        await using var app = Callers.Start();
        await app.ServiceTokenAsync();
        var client = await app.DbAsync(db => db.OAuthClients.SingleAsync(c => c.ClientId == "orders"));
        Assert.Null(client.ClientSecret);
        Assert.Equal(32, client.SecretHash.Length);
        Assert.DoesNotContain(app.Log.Lines, l => l.Contains(Callers.Secret, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Services:0:Secret", "short", "Services:0:Secret")]
    [InlineData("Services:0:OldSecret", "short", "Services:0:OldSecret")]
    [InlineData("Services:0:OldSecret", Callers.Secret, "Services:0:OldSecret is set to a secret: it is also given as Secret.")]
    [InlineData("Services:0:Id", "Not an id", "Services:0:Id")]
    [InlineData("Services:0:Grants:0", "password", "Services:0:Grants")]
    [InlineData("Services:0:RedirectUris:0", "http://evil.example/", "Services:0:RedirectUris")]
    [InlineData("Services:0:Colour", "red", "Services:0:Colour")]
    [InlineData("Services:0:Trust", "Blindly", "Services:0:Trust")]
    [InlineData("Services:0:PushUrl", "https://10.0.0.1/events", "Services:0:PushUrl is at fault")] // 179 (SSRF-01)
    [InlineData("Services:0:PushUrl", "http://orders.example/events", "Services:0:PushUrl is at fault")]
    [InlineData("Services:1:Id", "orders", "Services names the id \"orders\" 2 times")]
    [InlineData("Services:1:Audience", "Orders", "Services has \"orders\" and \"Orders\", which differ only in the case of letters")]
    [InlineData("Services:1:Audience", "Gatehouse", "Services has \"gatehouse\" and \"Gatehouse\", which differ only in the case of letters")]
    public void A_faulty_declaration_stops_the_start_with_its_line(string key, string value, string line)
    {
        var settings = Callers.Settings.Where(s => s.Item1 != key).Append((key, value)).Select(s => KeyValuePair.Create(s.Item1, s.Item2));
        using var services = new ServiceCollection()
            .AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(settings).Build())
            .AddSettings<ServiceDeclarations>("Services")
            .AddSettings<TokenOptions>("Tokens")
            .AddSettings<PushOptions>("Events:Push")
            .AddSettingsRule(DeclaredServices.Faults)
            .BuildServiceProvider();
        var faults = SettingsCheck.Faults(services);
        Assert.Contains(faults, f => f.StartsWith(line, StringComparison.Ordinal));
        Assert.DoesNotContain(faults, f => f.Contains("\"short\"", StringComparison.Ordinal) || f.Contains(Callers.Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_declared_audience_that_only_case_tells_from_an_admins_services_stops_the_start()
    {
        await using var app = Callers.Start();
        await app.DbAsync(async db =>
        {
            var client = new OAuthClient { Id = Guid.NewGuid(), ClientId = "stock", SecretHash = new byte[32] };
            client.Describe(new ServiceDescription("stock", "Stock", TrustMode.ChecksItself, "https://stock.test", [], [], []));
            db.Add(client);
            return await db.SaveChangesAsync();
        });
        Task<int> DeclareAsync(string audience) => app.ScopedAsync<IServiceProvider, int>(async services =>
        {
            ServiceDeclarations declared = [new() { Id = "shop", Secret = Callers.Secret + "3", Audience = audience }];
            await ActivatorUtilities.CreateInstance<DeclaredServices>(services, declared).ReconcileAsync(CancellationToken.None);
            return 0;
        });

        var stopped = await Assert.ThrowsAsync<SettingsException>(() => DeclareAsync("https://Stock.test"));
        Assert.StartsWith("Services has \"https://Stock.test\" and \"https://stock.test\"", stopped.Message, StringComparison.Ordinal);
        Assert.Null(app.Get<ServiceRegistry>().Find("shop"));

        // The very same one is shared on purpose.
        await DeclareAsync("https://stock.test");
        Assert.Equal("https://stock.test", app.Get<ServiceRegistry>().Find("shop")!.Client.Audience);
    }

    [Fact]
    public async Task A_reader_hears_of_its_audience_whatever_the_case_that_the_database_kept()
    {
        await using var app = Callers.Start();
        var text = app.Get<EntryText>();
        var entry = new LoggedEvent { Type = EventTypes.SessionRevoked, Reason = "sign-out", SessionId = Guid.NewGuid(), Audiences = "https://Billing.test https://stock.test" };
        Assert.True(text.Concerns(entry, "https://billing.test"));
        Assert.False(text.Concerns(entry, "https://billing"));
    }
}
