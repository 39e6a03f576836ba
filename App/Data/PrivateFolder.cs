namespace App.Data;

/// <summary>The folder of everything the process writes: password hashes and keys are in it, so it is its owner's alone (0700).</summary>
internal static class PrivateFolder
{
    // What the system calls a lock that another holds: EWOULDBLOCK on Linux and on macOS, ERROR_SHARING_VIOLATION.
    private static readonly int[] Held = [11, 35, unchecked((int)0x80070020)];

    /// <exception cref="SettingsException">It can't be made.</exception>
    public static void Ensure(string path)
    {
        if (Directory.Exists(path)) return;
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
            else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, e);
        }
    }

    /// <summary>An empty file that is its owner's alone (0600), wherever it is; SQLite makes the files beside it as it is.</summary>
    public static void Create(string file)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.ReadWrite };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        new FileStream(file, options).Dispose();
    }

    /// <summary>A lock that processes of this machine take by a file's name; the kernel gives it back when its holder dies.</summary>
    /// <returns>Null while another holds it.</returns>
    /// <exception cref="SettingsException">The file can't be written, so that waiting would never end.</exception>
    public static FileStream? TryLock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (Held.Contains(e.HResult))
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, e);
        }
    }

    public static SettingsException Unusable(string path, Exception cause) =>
        new([$"DataDir: {path} can't be used: {cause.Message} Give a folder that this process may write to, and read all of."]);
}
