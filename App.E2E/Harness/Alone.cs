namespace App.E2E.Harness;

// Two collections run at a time, one for each core that a small machine has; those below by themselves, after the others: they look at the
// clock, or take all there is.

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class InBrowserByTheClock : ICollectionFixture<Browser>
{
    public const string Name = "In a browser, by the clock";
}

[CollectionDefinition("Chaos", DisableParallelization = true)]
public sealed class Chaos;

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
