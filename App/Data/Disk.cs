using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace App.Data;

/// <summary>
/// Asks for what was written to a file to be on the disk. On Linux by itself: the runtime's own (<see cref="RandomAccess.FlushToDisk"/>, .NET 10)
/// takes an <c>fsync</c> that failed for one that succeeded, since what it returns then is 1 where -1 is looked for.
/// </summary>
internal static class Disk
{
    private const int Interrupted = 4, NoLibrary = -1; // EINTR; the errors are above 0

    /// <exception cref="IOException">It refused.</exception>
    public static void Flush(SafeFileHandle file)
    {
        if (OperatingSystem.IsLinux() && Sync(file) is var error and not NoLibrary)
        {
            if (error != 0) throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
        else
        {
            RandomAccess.FlushToDisk(file);
        }
    }

    private static int Sync(SafeFileHandle file)
    {
        try
        {
            int error;
            do error = FileSync(file) == 0 ? 0 : Marshal.GetLastPInvokeError();
            while (error == Interrupted);
            return error;
        }
        catch (DllNotFoundException)
        {
            return NoLibrary; // a libc by another name
        }
    }

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int FileSync(SafeFileHandle file);
}
