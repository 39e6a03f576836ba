namespace App.Tests.Attacks;

/// <summary>One app for all tests of a class: for those that don't move its time and don't mind each other's users.</summary>
public sealed class OneApp : IAsyncLifetime
{
    /// <summary>A service of the settings.</summary>
    public const string Declared = "declared";

    public TestApp App { get; } = TestApp.Start(("Services:0:Id", Declared), ("Services:0:Secret", new string('s', 40)));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await App.DisposeAsync();
}
