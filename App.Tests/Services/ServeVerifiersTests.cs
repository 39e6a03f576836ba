using System.Net;

namespace App.Tests.Services;

/// <summary>The verifiers are there for everybody, word for word as they are tested (contract section 4).</summary>
public sealed class ServeVerifiersTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    [InlineData("node", "gatehouse.mjs")]
    [InlineData("dotnet", "Gatehouse.cs")]
    [InlineData("python", "gatehouse.py")]
    [InlineData("go", "gatehouse.go")]
    public async Task A_verifier_is_served_as_the_text_in_the_repository_and_not_twice_to_the_same_reader(string language, string file)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, $"/verifiers/{language}");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/plain; charset=utf-8", answer.Content.Headers.ContentType?.ToString());
        Assert.Equal(await File.ReadAllTextAsync(Repository.PathOf("App", "Services", "Verifiers", file)), await answer.Content.ReadAsStringAsync());

        using var again = new HttpRequestMessage(HttpMethod.Get, $"/verifiers/{language}");
        again.Headers.IfNoneMatch.Add(answer.Headers.ETag!);
        using var unchanged = await _app.Client.SendAsync(again);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
    }

    [Theory]
    [InlineData("cobol")]
    [InlineData("Node")]
    [InlineData("..%2Fappsettings.json")]
    [InlineData("gatehouse.mjs")]
    public async Task Any_other_language_is_a_problem_and_no_file(string language)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, $"/verifiers/{language}");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
    }
}
