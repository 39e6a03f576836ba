using Xunit.Abstractions;

namespace App.E2E.Harness;

/// <summary>The search for secrets in the logs comes after everything that could have written one there.</summary>
public sealed class LogsLast : ITestCollectionOrderer
{
    public const string Name = "The logs of the run";

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(collection => collection.DisplayName == Name).ThenBy(collection => collection.DisplayName, StringComparer.Ordinal);
}

/// <summary>Nothing runs after the search, so it also clears the run's folder away.</summary>
[CollectionDefinition(LogsLast.Name, DisableParallelization = true)]
public sealed class Sweep : ICollectionFixture<Sweep>, IDisposable
{
    public void Dispose()
    {
        Service.KillAll();
        Directory.Delete(TestRun.Folder, recursive: true);
    }
}
