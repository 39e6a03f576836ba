namespace App.Shared;

/// <summary>Something that must have happened before the first request is accepted. They run in the order in which the slices are added.</summary>
/// <param name="ServingOnly">Left out before a command, which may be run with less of the settings than the service has.</param>
public sealed record StartStep(Func<IServiceProvider, CancellationToken, Task> RunAsync, bool ServingOnly = false);

/// <summary>A command of the executable: <c>App NAME …</c> does this instead of serving.</summary>
/// <param name="Usage">One line for the list of commands.</param>
/// <param name="RunAsync">Services, arguments after the name, output; returns the exit code.</param>
/// <param name="Prepared">Whether the start steps run first, as they do before serving.</param>
public sealed record Command(
    string Name, string Usage, Func<IServiceProvider, string[], TextWriter, CancellationToken, Task<int>> RunAsync, bool Prepared = true);
