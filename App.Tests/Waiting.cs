using System.Runtime.CompilerServices;
using Bunit;

namespace App.Tests;

internal static class Waiting
{
    /// <summary>A second is short on a machine that runs four tests at a time; whoever waits longer than this waits for what won't happen.</summary>
    [ModuleInitializer]
    internal static void BePatient() => BunitContext.DefaultWaitTimeout = TimeSpan.FromSeconds(30);
}
