using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;

namespace App.Tests;

/// <summary>The clone that the tests run in.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    // What .gitignore names, and Git's own.
    private static readonly string[] Left = [".git", "bin", "obj", "data", "TestResults", "artifacts", "node_modules", ".vs", ".idea"];

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>All that anybody gets with a clone and can read: paths from its root, and their text.</summary>
    public static IEnumerable<(string Path, string Text)> Files() => FilesBelow(new DirectoryInfo(Root))
        .Where(f => f.Extension != ".png")
        .Select(f => (Path.GetRelativePath(Root, f.FullName).Replace('\\', '/'), File.ReadAllText(f.FullName)));

    private static IEnumerable<FileInfo> FilesBelow(DirectoryInfo folder) => folder.EnumerateFiles()
        .Where(f => !Left.Contains(f.Name))
        .Concat(folder.EnumerateDirectories().Where(d => !Left.Contains(d.Name)).SelectMany(FilesBelow));

    private static string Find(string? folder)
    {
        while (folder is not null && !File.Exists(Path.Combine(folder, "App.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException($"No App.sln above {AppContext.BaseDirectory}.");
    }
}

/// <summary>Program.cs as it is, with a data folder of its own that goes with it.</summary>
internal sealed class RealApp : WebApplicationFactory<Program>
{
    private readonly string data = Directory.CreateTempSubdirectory("gatehouse-").FullName;

    protected override void ConfigureWebHost(IWebHostBuilder builder) => builder.UseSetting("DataDir", data);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (Directory.Exists(data)) Directory.Delete(data, recursive: true);
    }
}
