using System.Runtime.InteropServices;

namespace App.Passwords;

/// <summary>
/// Linux ignores <see cref="Thread.Priority"/>; there a thread has a nice value of its own, and from 6.12 on a time slice of its own
/// (sched_setattr(2)). The long slice matters as much as the low priority: a thread that wakes up with a shorter one takes the core at once,
/// where it would otherwise wait for up to three milliseconds until the hash's turn is over.
/// </summary>
internal static class LowPriority
{
    private const int PrioProcess = 0, ThisThread = 0, Nice = 15;
    private const ulong LongestSlice = 100_000_000; // nanoseconds

    /// <summary>Best effort: a sandbox that forbids it costs latency under load, nothing else.</summary>
    public static void ApplyToThisThread()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = SetPriority(PrioProcess, ThisThread, Nice);
            var slice = new SchedulingAttributes { Size = (uint)Marshal.SizeOf<SchedulingAttributes>(), Nice = Nice, Runtime = LongestSlice };
            if (SetAttributesCall is { } number) _ = SystemCall(number, ThisThread, ref slice, 0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // A libc by another name: the threads then keep the ordinary priority.
        }
    }

    // libc has no function of that name before glibc 2.41.
    private static nint? SetAttributesCall => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 314,
        Architecture.Arm64 => 274,
        _ => null,
    };

    [DllImport("libc", EntryPoint = "setpriority")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetPriority(int which, uint who, int priority);

    [DllImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint SystemCall(nint number, nint thread, ref SchedulingAttributes attributes, nint flags);

    /// <summary>The first form of the kernel's <c>struct sched_attr</c>; policy 0 is the ordinary one.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct SchedulingAttributes
    {
        public uint Size;
        public uint Policy;
        public ulong Flags;
        public int Nice;
        public uint Priority;
        public ulong Runtime;
        public ulong Deadline;
        public ulong Period;
    }
}
