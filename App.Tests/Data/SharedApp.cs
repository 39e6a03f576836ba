namespace App.Tests.Data;

/// <summary>One app for all tests of a class, where they don't get in each other's way.</summary>
public class SharedApp : IAsyncLifetime
{
    public TestApp App { get; } = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await App.DisposeAsync();
}
