using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;

namespace App.Tests;

/// <summary>The clone that the tests run in.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

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
