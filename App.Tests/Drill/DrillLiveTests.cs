using App.Drill;
using App.Tests.Admin;
using App.Tests.Push;
using Bunit;
using Bunit.TestDoubles;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Drill;

/// <summary>How a drill stands, in a circuit of the test's own over the real service.</summary>
public sealed class DrillLiveTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private readonly BunitContext _page = new();
    private TestUser _admin = null!;

    public async Task InitializeAsync()
    {
        _admin = await _app.NewAdminAsync();
        await _page.ServeAsync<ShowDrill>(_app, _admin);
    }

    public async Task DisposeAsync()
    {
        await _page.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Theory] // ATTACKS 214: the script may be minutes later than the first HTML, and nobody tells it what was before
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whoever_is_no_admin_any_more_when_the_page_comes_alive_is_shown_nothing(bool still)
    {
        await _app.NewAdminAsync();
        if (!still) await _app.GrantAsync(_admin, granted: false);
        var left = _page.Services.GetRequiredService<BunitNavigationManager>().History;
        var cut = _page.Render<DrillLive>(island => island.Add(i => i.Language, "en"));
        await Wait.UntilAsync(() => cut.FindAll("table").Count + left.Count > 0);
        Assert.Equal(still ? (1, 0) : (0, 1), (cut.FindAll("table").Count, left.Count));
    }
}
