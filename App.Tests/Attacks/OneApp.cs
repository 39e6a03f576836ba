namespace App.Tests.Attacks;

/// <summary>One app for all tests of a class: for those that don't move its time and don't mind each other's users.</summary>
public sealed class OneApp : IAsyncLifetime
{
    /// <summary>A service of the settings.</summary>
    public const string Declared = "declared";

    /// <summary>Another, for which tokens are made that are its alone.</summary>
    public const string Next = "next";

    /// <summary>The secret of both.</summary>
    public static readonly string Secret = new('s', 40);

    public TestApp App { get; } = TestApp.Start(
        ("Services:0:Id", Declared), ("Services:0:Secret", Secret), ("Services:0:Scopes:0", "stock.read"),
        ("Services:0:Grants:0", "client_credentials"), ("Services:0:Grants:1", "refresh_token"), ("Services:0:Grants:2", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("Services:1:Id", Next), ("Services:1:Secret", Secret), ("Services:1:Audience", "https://next.test"));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await App.DisposeAsync();
}
