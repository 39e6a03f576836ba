using App.Data;
using App.Ops;
using App.Tests.Attacks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

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

    [Fact] // on an empty database it would look for keys in a table that isn't there yet, and log it
    public async Task It_waits_until_there_is_a_schema()
    {
        Assert.True(_app.Get<SchemaState>().There.IsCompletedSuccessfully); // after a start
        var (schema, rendered) = (new SchemaState(), false);
        await using var services = new ServiceCollection().AddSingleton(schema).BuildServiceProvider();
        var begun = FirstPage.BeginAsync(services, new Endpoint(_ =>
        {
            rendered = true;
            return Task.CompletedTask;
        }, null, null));
        Assert.False(rendered);
        schema.Set();
        await begun;
        Assert.True(rendered);
    }

    [Fact]
    public async Task The_head_start_has_come_to_its_end_before_the_database_is_asked_for_anything()
    {
        await HeadStart.Over; // as it was begun by the first host of this process: what it threw is thrown here
        Assert.True(HeadStart.Over.IsCompletedSuccessfully);
    }
}
