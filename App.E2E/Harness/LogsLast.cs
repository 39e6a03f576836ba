using Xunit.Abstractions;

namespace App.E2E.Harness;

/// <summary>
/// The search for secrets in the logs comes after everything that could have written one there. What needs no published app goes first, as that is minutes in the
/// making; then the longest, so that all end at about the same time.
/// </summary>
public sealed class LogsLast : ITestCollectionOrderer
{
    public const string Name = "The logs of the run";

    private static readonly string[] First = ["Verifiers", InBrowser.Name, InBrowserToo.Name];

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) => testCollections
        .OrderBy(collection => collection.DisplayName == Name)
        .ThenBy(collection => Array.IndexOf(First, collection.DisplayName) is var place and >= 0 ? place : First.Length)
        .ThenBy(collection => collection.DisplayName, StringComparer.Ordinal);
}

/// <summary>Nothing runs after the search, so it also clears the run's folder away.</summary>
[CollectionDefinition(LogsLast.Name, DisableParallelization = true)]
public sealed class Sweep : ICollectionFixture<Sweep>, IDisposable
{
    public void Dispose()
    {
        Service.KillAll();
        try
        {
            Directory.Delete(TestRun.Folder, recursive: true);
        }
        catch (IOException)
        {
            // Some program of the run is still writing; what is left is for whoever sweeps the machine.
        }
    }
}
