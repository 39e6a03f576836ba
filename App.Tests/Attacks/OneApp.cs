namespace App.Tests.Attacks;

/// <summary>One app for all tests of a class: for those that don't move its time and don't mind each other's users.</summary>
public sealed class OneApp : IAsyncLifetime
{
    public TestApp App { get; } = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await App.DisposeAsync();
}
