using System.Runtime.InteropServices;

namespace App.Passwords;

/// <summary>Linux ignores <see cref="Thread.Priority"/>; there a thread has a nice value of its own (setpriority(2)).</summary>
internal static class LowPriority
{
    private const int PrioProcess = 0, ThisThread = 0, Nice = 15;

    /// <summary>Best effort: a sandbox that forbids it costs latency under load, nothing else.</summary>
    public static void ApplyToThisThread()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = SetPriority(PrioProcess, ThisThread, Nice);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // A libc by another name: the threads then keep the ordinary priority.
        }
    }

    [DllImport("libc", EntryPoint = "setpriority")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetPriority(int which, uint who, int priority);
}
