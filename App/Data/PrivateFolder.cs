namespace App.Data;

/// <summary>The folder of everything the process writes: password hashes and keys are in it, so it is its owner's alone (0700).</summary>
internal static class PrivateFolder
{
    public static void Ensure(string path)
    {
        if (Directory.Exists(path)) return;
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
