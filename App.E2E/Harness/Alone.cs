namespace App.E2E.Harness;

// Three collections run at a time, on the two cores of a small machine: they wait a good deal. Those below run by themselves, after the others:
// they look at the clock, or take all there is.

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class InBrowserByTheClock : ICollectionFixture<Browser>
{
    public const string Name = "In a browser, by the clock";
}

[CollectionDefinition("Code to copy", DisableParallelization = true)]
public sealed class CodeToCopy;

[CollectionDefinition("Crash", DisableParallelization = true)]
public sealed class Crash;

[CollectionDefinition("Database away", DisableParallelization = true)]
public sealed class DatabaseAway;

[CollectionDefinition("Redis", DisableParallelization = true)]
public sealed class Redis;

[CollectionDefinition("Replicas", DisableParallelization = true)]
public sealed class Replicas;

[CollectionDefinition("Rolling restart", DisableParallelization = true)]
public sealed class RollingRestart;

[CollectionDefinition("Start", DisableParallelization = true)]
public sealed class Start;
