using App.Data;
using App.Ops;
using App.Tests.Attacks;
using Microsoft.AspNetCore.Routing;

namespace App.Tests.Ops;

/// <summary>What is done ahead so that a start is short: it works, and leaves nothing behind.</summary>
public sealed class FirstPageTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task The_page_that_nobody_asked_for_is_rendered_whole_and_leaves_nothing()
    {
        var page = FirstPage.Find([_app.Get<EndpointDataSource>()]);
        var before = await State.OfAsync(_app);
        Assert.Equal(200, await FirstPage.RenderAsync(_app.Services, page!));
        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Fact]
    public async Task The_head_start_has_come_to_its_end_before_the_database_is_asked_for_anything()
    {
        await HeadStart.Over; // as it was begun by the first host of this process: what it threw is thrown here
        Assert.True(HeadStart.Over.IsCompletedSuccessfully);
    }
}
