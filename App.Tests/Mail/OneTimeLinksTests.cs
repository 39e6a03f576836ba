using App.Data;
using App.Mail;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Mail;

public sealed class OneTimeLinksTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 118
    public async Task Of_twenty_who_use_a_link_at_two_replicas_one_wins()
    {
        await using var replica = _app.StartReplica();
        var link = await AddAsync("test");
        var won = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => UseAsync(i % 2 == 0 ? _app : replica, "test", link)));
        Assert.Single(won, w => w);
    }

    [Fact]
    public async Task Looking_uses_nothing_up()
    {
        var link = await AddAsync("test");
        for (var i = 0; i < 3; i++) Assert.NotNull(await FindAsync("test", link));
        Assert.True(await UseAsync(_app, "test", link));
        Assert.Null(await FindAsync("test", link));
    }

    [Fact] // ATTACKS 119
    public async Task A_link_ends_with_its_time()
    {
        var link = await AddAsync("test");
        _app.Time.Advance(TimeSpan.FromMinutes(30));
        Assert.Null(await FindAsync("test", link));
        Assert.False(await UseAsync(_app, "test", link));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("AAAA")]
    [InlineData("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!")]
    public async Task Nonsense_is_no_link(string? text) => Assert.Null(await FindAsync("test", text));

    [Fact]
    public async Task A_link_for_one_purpose_is_none_for_another() => Assert.Null(await FindAsync("other", await AddAsync("test")));

    [Fact] // ATTACKS 126
    public async Task A_thousand_links_are_256_bits_each_share_nothing_and_are_stored_hashed()
    {
        var links = await _app.ScopedAsync<IServiceProvider, List<string>>(async services =>
        {
            var made = Enumerable.Range(0, 1000).Select(_ => services.GetRequiredService<OneTimeLinks>().Add("test", null, TimeSpan.FromMinutes(30))).ToList();
            await services.GetRequiredService<AppDb>().SaveChangesAsync();
            return made;
        });
        Assert.All(links, l => Assert.Equal(43, l.Length));
        Assert.Equal(1000, links.Distinct().Count());
        // Each of the first five characters takes nearly all of its 64 values: no prefix, no time.
        for (var i = 0; i < 5; i++) Assert.True(links.Select(l => l[i]).Distinct().Count() > 55);
        var rows = await Attacks.State.TextAsync(_app);
        Assert.All(links, l => Assert.DoesNotContain(l, rows, StringComparison.Ordinal));
        Assert.All(links, l => Assert.DoesNotContain(Convert.ToHexString(System.Buffers.Text.Base64Url.DecodeFromChars(l)), rows, StringComparison.Ordinal));
    }

    [Fact] // ATTACKS 226
    public async Task Links_are_forgotten_when_their_time_is_over()
    {
        await AddAsync("test");
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal(1, await _app.DbAsync(db => db.Set<OneTimeLink>().CountAsync()));
        _app.Time.Advance(TimeSpan.FromMinutes(31));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal(0, await _app.DbAsync(db => db.Set<OneTimeLink>().CountAsync()));
    }

    private Task<string> AddAsync(string purpose) => _app.ScopedAsync<IServiceProvider, string>(async services =>
    {
        var link = services.GetRequiredService<OneTimeLinks>().Add(purpose, null, TimeSpan.FromMinutes(30));
        await services.GetRequiredService<AppDb>().SaveChangesAsync();
        return link;
    });

    private Task<OneTimeLink?> FindAsync(string purpose, string? text) =>
        _app.ScopedAsync<OneTimeLinks, OneTimeLink?>(links => links.FindAsync(purpose, text, CancellationToken.None));

    private static Task<bool> UseAsync(TestApp app, string purpose, string text) => app.ScopedAsync<IServiceProvider, bool>(async services =>
    {
        var links = services.GetRequiredService<OneTimeLinks>();
        if (await links.FindAsync(purpose, text, CancellationToken.None) is not { } link) return false;
        await using var transaction = await services.GetRequiredService<AppDb>().BeginWriteAsync(CancellationToken.None);
        if (!await links.UseAsync(link, CancellationToken.None)) return false;
        await transaction.CommitAsync(CancellationToken.None);
        return true;
    });
}
